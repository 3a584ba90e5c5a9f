import { storeUnavailable } from './deadline.ts'

export interface GroupOptions<Item> {
  /** The maximum of concurrent calls of `run`. One or two are best: the waiting items share the next call. */
  inFlight?: number
  /** A call of `run` that takes longer has stalled. Without it no call counts as stalled. */
  stallMs?: number
  /** The most items of a batch; limits the size of a statement and of its failure. Default: 128. */
  maxItems?: number
  /** The size of an item in bytes. A batch ends with the item that reaches MAX_BATCH_BYTES. */
  bytesOf?: (item: Item) => number
  /** Only items of the same group share a batch. Without it all items are one group. */
  groupOf?: (item: Item) => unknown
  /** Called with the size of each batch. */
  onBatch?: (items: number) => void
  /** Whether the data of one item can cause this error. Then each item of the batch is run separately. */
  isItemFault: (error: unknown) => boolean
}

/** Large items gain nothing from sharing a statement, and 128 of them would be hundreds of MiB. */
const MAX_BATCH_BYTES = 1_048_576

/**
 * Group commit: calls that arrive while a batch is in flight share the next one. A single call waits only for the end of
 * the current turn of the event loop. `run` gets 1 to maxItems items and returns the results in their order. At most
 * `inFlight` calls of `run` are in flight.
 *
 * If the data of one item is at fault, the items of the batch are run again one by one, so that it fails alone. So `run`
 * must not have changed anything when it fails with such an error. Any other error rejects every item of the batch. While
 * all calls of `run` have stalled, waiting and new items are refused with `store_unavailable` and effect 'none'.
 */
export function groupCommit<Item, Result>(
  run: (items: readonly Item[]) => Promise<readonly Result[]>,
  options: GroupOptions<Item>,
): (item: Item) => Promise<Result> {
  const add = groupCalls(run, options)
  return (item) => new Promise((resolve, reject) => add(item, resolve, reject))
}

/** The same with callbacks instead of a promise for each item. The callbacks must not throw. */
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
        // Uses the slot of the batch, and all free slots.
        const all = [runSingly()]
        while (running < inFlight && left.length > 0) {
          running++
          all.push(runSingly().finally(free))
        }
        await Promise.all(all)
      }
    }
  }

  /** The item that has waited longest, and the later ones that may share its batch. */
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
      for (const one of waiting) one.reject(stalledError())
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
      reject(stalledError())
      return
    }
    waiting.push({ item, group: groupOf?.(item), resolve, reject })
    // Other sockets that are readable in this turn of the event loop may add items to the batch.
    if (waiting.length === 1) setImmediate(pump)
  }
}

const stalledError = () => storeUnavailable(new Error('the statements in flight have stalled'), 'none')

/** A row of a group commit statement: one of many items, with its number `n`. */

export type Row = Record<string, unknown>

/**
 * The items as a JSON array of rows, sorted by `lockOrder`. A row that is a string must already be JSON. Concurrent
 * statements with the same rows lock them in the same order, so they cannot deadlock.
 */
export function batchJson<Item>(
  items: readonly Item[],
  lockOrder: (item: Item) => string,
  row: (item: Item, n: number) => object | string,
): string {
  const orders = items.map(lockOrder)
  const numbers = items.map((_, n) => n)
  numbers.sort((a, b) => compare(orders[a] ?? '', orders[b] ?? ''))
  let rows = ''
  for (const n of numbers) {
    const item = items[n]
    if (item === undefined) continue
    const made = row(item, n)
    rows += `${rows === '' ? '' : ','}${typeof made === 'string' ? made : JSON.stringify(made)}`
  }
  return `[${rows}]`
}

/**
 * The results in the order of the items, with the rows in any order. Statements that call a function for each row end with
 * ORDER BY, so that no row is sent before all items are done: if a statement fails after its first row, postgres.js
 * (3.4.9) shifts the rows of the next statement on that connection.
 */
export function resultsByNumber<Result>(
  rows: readonly Row[],
  count: number,
  parse: (row: Row) => Result,
): Result[] {
  const results = new Array<Result>(count)
  for (const row of rows) results[Number(row.n)] = parse(row)
  return results
}

function compare(one: string, other: string): number {
  if (one === other) return 0
  return one < other ? -1 : 1
}
