export interface GroupOptions<Item> {
  /** Batches under way at once. One or two beat more: what waits shares the next statement. */
  inFlight?: number
  /** The most items in one batch: keeps a statement, and what is lost with it, small. */
  maxItems?: number
  /** The weight of an item, in bytes; a batch ends with the item that brings it to MAX_BATCH_BYTES. */
  bytesOf?: (item: Item) => number
  /** Only items of the same group share a batch. Without it all are of one. */
  groupOf?: (item: Item) => unknown
  /** Told how many items each batch has. */
  onBatch?: (items: number) => void
  /** True for an error that the data of one item can cause; then the items of the batch are run singly. */
  isItemFault: (error: unknown) => boolean
}

/** Large items gain nothing from company, and 128 of them would be one statement of hundreds of MiB. */
const MAX_BATCH_BYTES = 1_048_576

/**
 * Group commit: calls that arrive while a batch is under way share the next one. A lone call waits for
 * nothing but the end of the current turn of the event loop. `run` gets 1..maxItems items and answers in their order. An item that fails never fails its neighbours:
 * when the data of one is at fault, all of that batch are run again one by one (so `run` must have changed
 * nothing when it fails that way, as a failed statement does). Any other error goes to every item of the batch.
 */
export function groupCommit<Item, Answer>(
  run: (items: readonly Item[]) => Promise<readonly Answer[]>,
  options: GroupOptions<Item>,
): (item: Item) => Promise<Answer> {
  interface Waiting {
    item: Item
    group: unknown
    resolve: (answer: Answer) => void
    reject: (error: unknown) => void
  }
  const { inFlight = 1, maxItems = 128, bytesOf, groupOf, isItemFault, onBatch } = options
  let waiting: Waiting[] = []
  let running = 0

  const settle = async (batch: Waiting[]): Promise<void> => {
    try {
      const answers = await run(batch.map((one) => one.item))
      if (answers.length !== batch.length)
        throw new Error(`${answers.length} answers for ${batch.length} items`)
      answers.forEach((answer, i) => {
        batch[i]?.resolve(answer)
      })
    } catch (error) {
      if (batch.length === 1 || !isItemFault(error)) {
        for (const one of batch) one.reject(error)
      } else {
        for (const one of batch) await settle([one])
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
      void settle(batch).finally(() => {
        running--
        pump()
      })
    }
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, group: groupOf?.(item), resolve, reject })
      // The other sockets that are readable in this turn of the event loop may bring more for the same batch.
      if (waiting.length === 1) setImmediate(pump)
    })
}
