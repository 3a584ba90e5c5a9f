/** Printable ASCII without quotes and backslashes, which needs no escapes in JSON. */
const PLAIN = /^[ !#-[\]-~]*$/

/** A JSON string, like JSON.stringify, but much faster for usual texts. */
export function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}
