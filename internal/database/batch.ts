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
