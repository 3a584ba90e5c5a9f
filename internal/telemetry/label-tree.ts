import type { LabelValues } from 'prom-client'

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
export class LabelTree<T extends string, Cell> {
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
