/** Printable ASCII without quotes and backslashes: as it is in JSON. */
const PLAIN = /^[ !#-[\]-~]*$/

/** A text as a string of JSON: what JSON.stringify makes of it, and for usual texts in a fraction of its time. */
export function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}
