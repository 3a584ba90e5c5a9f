/** Checks that a value of the database is one of these words. Throws an Error for any other value. */
export function knownWord<Word extends string>(found: unknown, words: readonly Word[]): Word {
  const word = words.find((one) => one === found)
  if (word === undefined) throw new Error(`the database returned ${String(found)}`)
  return word
}
