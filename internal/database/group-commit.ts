import { storeUnavailable } from './deadline.ts'

export interface GroupOptions<Item> {
  /** Calls of `run` in flight at once. One or two beat more: what waits shares the next statement. */
  inFlight?: number
  /** A call of `run` that takes longer has stalled. Without it none has. */
  stallMs?: number
  /** The most items in one batch: keeps a statement, and what is lost with it, small. */
  maxItems?: number
  /** The weight of an item, in bytes; a batch ends with the item that brings it to MAX_BATCH_BYTES. */
  bytesOf?: (item: Item) => number
  /** Only items of the same group share a batch. Without it all are of one. */
  groupOf?: (item: Item) => unknown
  /** Called with the size of each batch. */
  onBatch?: (items: number) => void
  /** True for an error that the data of one item can cause; then the items of the batch are run singly. */
  isItemFault: (error: unknown) => boolean
}

/** Large items gain nothing from company, and 128 of them would be one statement of hundreds of MiB. */
const MAX_BATCH_BYTES = 1_048_576

/**
 * Group commit: calls that arrive while a batch is in flight share the next one. A lone call waits for nothing but the
 * end of the current turn of the event loop. `run` gets 1..maxItems items and returns results in their order. An item
 * that fails never fails its neighbours: when the data of one is at fault, all of that batch are run again one by one
 * (so `run` must have changed nothing when it fails that way, as a failed statement does). Any other error goes to every
 * item of the batch. There are never more than `inFlight` calls of `run` at once. Once all of them have stalled, what waits and
 * what comes is refused, with `store_unavailable` and effect 'none': it would wait for their end, and then for its own.
 */
export function groupCommit<Item, Result>(
  run: (items: readonly Item[]) => Promise<readonly Result[]>,
  options: GroupOptions<Item>,
): (item: Item) => Promise<Result> {
  const add = groupCalls(run, options)
  return (item) => new Promise((resolve, reject) => add(item, resolve, reject))
}

/** The same with functions in place of a promise for each item; they must not throw. */
export function groupCalls<Item, Result>(
  run: (items: readonly Item[]) => Promise<readonly Result[]>,
  options: GroupOptions<Item>,
): (item: Item, resolve: (response: Result) => void, reject: (error: unknown) => void) => void {
  interface Waiting {
    item: Item
    group: unknown
    resolve: (response: Result) => void
    reject: (error: unknown) => void
  }
  const { inFlight = 1, stallMs, maxItems = 128, bytesOf, groupOf, isItemFault, onBatch } = options
  let waiting: Waiting[] = []
  let running = 0
  let stalled = 0

  const settle = async (batch: Waiting[]): Promise<void> => {
    try {
      const responses = await run(batch.map((one) => one.item))
      if (responses.length !== batch.length)
        throw new Error(`${responses.length} responses for ${batch.length} items`)
      responses.forEach((response, i) => {
        batch[i]?.resolve(response)
      })
    } catch (error) {
      if (batch.length === 1 || !isItemFault(error)) {
        for (const one of batch) one.reject(error)
      } else {
        const left = [...batch]
        const runSingly = async () => {
          for (let one = left.shift(); one !== undefined; one = left.shift()) await settle([one])
        }
        // In the slot of their batch, and in those that are free now.
        const all = [runSingly()]
        while (running < inFlight && left.length > 0) {
          running++
          all.push(runSingly().finally(free))
        }
        await Promise.all(all)
      }
    }
  }

  /** The longest waiting, and those behind it that may go with it. */
  const nextBatch = (): Waiting[] => {
    const batch: Waiting[] = []
    const rest: Waiting[] = []
    let bytes = 0
    for (const one of waiting) {
      const fits = batch.length < maxItems && bytes < MAX_BATCH_BYTES
      if (fits && one.group === waiting[0]?.group) {
        batch.push(one)
        bytes += bytesOf?.(one.item) ?? 0
      } else rest.push(one)
    }
    waiting = rest
    return batch
  }

  const pump = () => {
    while (running < inFlight && waiting.length > 0) {
      const batch = nextBatch()
      running++
      onBatch?.(batch.length)
      void (stallMs === undefined ? settle(batch) : watched(settle(batch), stallMs)).finally(free)
    }
  }

  const watched = async (settled: Promise<void>, ms: number) => {
    let isStalled = false
    const timer = setTimeout(() => {
      isStalled = true
      stalled++
      if (stalled < inFlight) return
      for (const one of waiting) one.reject(behindStalled())
      waiting = []
    }, ms)
    await settled
    clearTimeout(timer)
    if (isStalled) stalled--
  }

  const free = () => {
    running--
    pump()
  }

  return (item, resolve, reject) => {
    if (stalled === inFlight) {
      reject(behindStalled())
      return
    }
    waiting.push({ item, group: groupOf?.(item), resolve, reject })
    // The other sockets that are readable in this turn of the event loop may bring more for the same batch.
    if (waiting.length === 1) setImmediate(pump)
  }
}

const behindStalled = () => storeUnavailable(new Error('the statements in flight have stalled'), 'none')
