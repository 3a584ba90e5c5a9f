import { Counter, type CounterConfiguration, type LabelValues } from 'prom-client'
import { LabelTree } from './label-tree.ts'

/** Counts faster than prom-client, without checks of labels; prom-client gets the counts when the metrics are read. */
export class QuickCounter<T extends string> extends Counter<T> {
  readonly #cells: LabelTree<T, { count: number }>

  constructor(config: CounterConfiguration<T> & { labelNames: readonly T[] }) {
    super(config)
    this.#cells = new LabelTree(config.labelNames, () => ({ count: 0 }))
  }

  /** In place of inc(). */
  add(labels: LabelValues<T>): void {
    this.#cells.find(labels).count++
  }

  override get() {
    for (const { labels, cell } of this.#cells.all) {
      this.inc(labels, cell.count)
      cell.count = 0
    }
    return super.get()
  }
}
