/** `bytea` as text, in either form: `bytea_output` of the database or role decides, and poolers refuse to set it. */
export function parseBytes(text: string): Buffer {
  if (text.startsWith('\\x')) return Buffer.from(text.slice(2), 'hex')
  // Only printable ASCII is left as it is, and a backslash is doubled: no text in this form begins as the other does.
  const plain = text.replace(/\\(\\|[0-7]{3})/g, (_, code: string) =>
    code === '\\' ? code : String.fromCharCode(Number.parseInt(code, 8)),
  )
  return Buffer.from(plain, 'latin1')
}

const ISO = /^\d{4,6}-\d\d-\d\d( |$)/
const ENDLESS = /^-?infinity$/

/** A date or time as text. Throws where it is not ISO: day and month might be exchanged. */
export function parseTime(text: string): Date {
  if (ISO.test(text) || ENDLESS.test(text)) return new Date(text)
  throw new Error(`the database gives times as ${text}: DateStyle of the session must be ISO`)
}
