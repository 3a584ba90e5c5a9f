/** What the statements of group commit are made of: many items in one statement, each with its number `n`. */

export type Row = Record<string, unknown>

/**
 * The items as JSON rows with their numbers, sorted by `lockOrder`. Two statements that meet the same rows lock them in
 * the same order, so they cannot deadlock.
 */
export function batchJson<Item>(
  items: readonly Item[],
  lockOrder: (item: Item) => string,
  row: (item: Item, n: number) => object,
): string {
  const rows = items.map((item, n) => ({ order: lockOrder(item), row: row(item, n) }))
  rows.sort((a, b) => (a.order < b.order ? -1 : a.order > b.order ? 1 : 0))
  return JSON.stringify(rows.map((entry) => entry.row))
}

/**
 * The results in the order of the items, whatever the order of the rows. Statements that call a function for each row end
 * with ORDER BY, so that no row is sent before all items are done: when a statement fails after its first row,
 * postgres.js (3.4.9) shifts the rows of the next one on that connection.
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
