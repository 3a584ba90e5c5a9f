/** Parses the text of `bytea` in both formats: `bytea_output` selects the format, and poolers refuse to set it. */
export function parseBytes(text: string): Buffer {
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex')
  // The format `escape`. It doubles a backslash, so it cannot start like the format `hex`.
  const plain = text.replace(/\\(\\|[0-7]{3})/g, (_, code: string) =>
    code === '\\' ? code : String.fromCharCode(Number.parseInt(code, 8)),
  )
  return Buffer.from(plain, 'latin1')
}

const ISO = /^\d{4,6}-\d\d-\d\d( |$)/
const ENDLESS = /^-?infinity$/

/** Parses a date or time. Throws if it is not ISO, because day and month could be swapped. */
export function parseTime(text: string): Date {
  if (ISO.test(text) || ENDLESS.test(text)) return new Date(text)
  throw new Error(`the database returned the time ${text}: DateStyle of the session must be ISO`)
}
