import {
  Counter,
  type CounterConfiguration,
  Histogram,
  type HistogramConfiguration,
  type LabelValues,
} from 'prom-client'

type Value = string | number | undefined

/** One level for each label: finding a cell makes nothing. */
class Branch<Cell> {
  readonly branches = new Map<Value, Branch<Cell>>()
  cell: Cell | undefined

  grow(label: Value): Branch<Cell> {
    const branch = new Branch<Cell>()
    this.branches.set(label, branch)
    return branch
  }
}

/** A cell for each combination of label values, made when it is first asked for. */
class LabelTree<T extends string, Cell> {
  readonly #labelNames: readonly T[]
  readonly #makeCell: () => Cell
  readonly #root = new Branch<Cell>()
  /** In the order in which they were made. */
  readonly all: { labels: LabelValues<T>; cell: Cell }[] = []

  constructor(labelNames: readonly T[], makeCell: () => Cell) {
    this.#labelNames = labelNames
    this.#makeCell = makeCell
  }

  find(labels: LabelValues<T>): Cell {
    let branch = this.#root
    for (const name of this.#labelNames) {
      const label = labels[name]
      branch = branch.branches.get(label) ?? branch.grow(label)
    }
    branch.cell ??= this.#add(labels)
    return branch.cell
  }

  #add(labels: LabelValues<T>): Cell {
    const cell = this.#makeCell()
    this.all.push({ labels, cell })
    return cell
  }
}

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

/** What one combination of label values has counted. */
interface Cell {
  /** Of each bucket by itself; the last is beyond all bounds. */
  counts: number[]
  sum: number
  count: number
}

/** Counts faster than prom-client, without checks of labels; the output is the same as text and as JSON. */
export class QuickHistogram<T extends string> extends Histogram<T> {
  readonly #shown: { name: string; help: string; aggregator: string }
  readonly #bounds: readonly number[]
  readonly #cells: LabelTree<T, Cell>

  constructor(config: HistogramConfiguration<T> & { labelNames: readonly T[]; buckets: number[] }) {
    super(config)
    this.#shown = { name: config.name, help: config.help, aggregator: 'sum' }
    this.#bounds = config.buckets
    const none = [...config.buckets, 0].map(() => 0)
    this.#cells = new LabelTree(config.labelNames, () => ({ counts: [...none], sum: 0, count: 0 }))
    this.observe = () => {
      throw new Error('what observe() counts is not shown here: call add()')
    }
  }

  /** In place of observe(). */
  add(labels: LabelValues<T>, value: number): void {
    const cell = this.#cells.find(labels)
    cell.sum += value
    cell.count++
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket++
    cell.counts[bucket] = (cell.counts[bucket] ?? 0) + 1
  }

  /** What the registry asks for its text, and prom-client's own get() for the values. */
  getForPromString() {
    const values = this.#cells.all.flatMap(({ labels, cell }) => this.#valuesOf(labels, cell))
    return { ...this.#shown, type: 'histogram', values }
  }

  #valuesOf(sharedLabels: LabelValues<T>, { counts, sum, count }: Cell) {
    const value = (suffix: string, labels: { le?: number | string }, value: number) => ({
      labels,
      sharedLabels,
      value,
      metricName: `${this.#shown.name}_${suffix}`,
    })
    let upTo = 0
    const buckets = this.#bounds.map((le, i) => {
      upTo += counts[i] ?? 0
      return value('bucket', { le }, upTo)
    })
    const whole = [value('bucket', { le: '+Inf' }, count), value('sum', {}, sum), value('count', {}, count)]
    return [...buckets, ...whole]
  }
}
