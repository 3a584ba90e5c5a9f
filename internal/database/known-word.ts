/** One of these words, as a column or a function of the schema returns it. Throws a plain Error for any other. */
export function knownWord<Word extends string>(found: unknown, words: readonly Word[]): Word {
  const word = words.find((one) => one === found)
  if (word === undefined) throw new Error(`the database returned ${String(found)}`)
  return word
}
