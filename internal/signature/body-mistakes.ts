import { isUtf8 } from 'node:buffer'

export interface BodyMistake {
  says: string
  /** What was signed in place of the body that was sent. */
  body: Buffer
}

/** Rewriting costs a parse, a dozen copies and hundreds of hashes: larger bodies are not rewritten. */
export const MAX_TRY_BYTES = 262_144

type Json = null | boolean | number | string | Json[] | { [member: string]: Json }

interface Style {
  comma: string
  colon: string
  sorted?: boolean
  encode?: (text: string) => string
}

const COMPACT: Style = { comma: ',', colon: ':' }
const PYTHON: Style = { comma: ', ', colon: ': ' }
const ascii = (text: string) =>
  text.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** How the usual libraries write JSON; all say the same, each in other bytes. */
const STYLES: [string, Style][] = [
  ['without spaces (JSON.stringify)', COMPACT],
  ['with ", " and ": " (json.dumps of Python)', PYTHON],
  ['with ", " and ": " and \\u escapes (json.dumps of Python)', { ...PYTHON, encode: ascii }],
  ['without spaces and with \\u escapes', { ...COMPACT, encode: ascii }],
  [
    'with \\/ for each slash (json_encode of PHP)',
    { ...COMPACT, encode: (text) => ascii(text).replaceAll('/', '\\/') },
  ],
  ['with sorted keys', { ...COMPACT, sorted: true }],
  ['with sorted keys and ", " and ": " (json.dumps of Python)', { ...PYTHON, sorted: true }],
]

/** What people sign in place of the bytes that they send. No two are the same, and none is the body itself. */
export function bodyMistakes(body: Buffer): BodyMistake[] {
  const found = new Map<string, BodyMistake>()
  const add = (says: string, bytes: Buffer) => {
    const key = bytes.toString('latin1')
    if (!bytes.equals(body) && !found.has(key)) found.set(key, { says, body: bytes })
  }
  const text = body.toString('latin1')
  const latin1 = (changed: string) => Buffer.from(changed, 'latin1')
  add('an empty body was signed', Buffer.alloc(0))
  add('the body was signed with a newline at its end (echo adds one: use printf %s)', latin1(`${text}\n`))
  add('the body was signed with CR LF at its end', latin1(`${text}\r\n`))
  add('the body was sent with a newline at its end that was not signed', latin1(text.replace(/\r?\n$/, '')))
  add('the body was sent with white space around it that was not signed', latin1(text.trim()))
  add('the body was signed with LF for each CR LF', latin1(text.replaceAll('\r\n', '\n')))
  add('the body was signed with CR LF for each LF', latin1(text.replaceAll(/\r?\n/g, '\r\n')))
  add(
    'the body was signed without its line breaks (curl -d @file drops them: use --data-binary)',
    latin1(text.replaceAll(/[\r\n]/g, '')),
  )
  if (body.length === 0) {
    for (const nothing of ['{}', 'null', '""'])
      add(`there is no body, and ${nothing} was signed as one`, Buffer.from(nothing))
  }
  for (const [says, rewritten] of rewrites(body)) {
    const reason = `other JSON was signed than sent: it was serialised again, ${says}. Sign the very bytes that you send`
    add(reason, Buffer.from(rewritten))
    add(`${reason}. It also had a newline at its end`, Buffer.from(`${rewritten}\n`))
  }
  return [...found.values()]
}

function rewrites(body: Buffer): [string, string][] {
  if (body.length > MAX_TRY_BYTES || !isUtf8(body)) return []
  try {
    const json: Json = JSON.parse(body.toString('utf8'))
    return [
      ...STYLES.map(([says, style]): [string, string] => [says, write(json, style)]),
      ['indented by 2 spaces', JSON.stringify(json, null, 2)],
      ['indented by 4 spaces', JSON.stringify(json, null, 4)],
      ['indented by tabs', JSON.stringify(json, null, '\t')],
      ['indented by 2 spaces, with sorted keys', JSON.stringify(sorted(json), null, 2)],
      ['as text in a JSON string', JSON.stringify(body.toString('utf8'))],
    ]
  } catch {
    // No JSON, or so deep that the stack ends.
    return []
  }
}

function write(json: Json, style: Style): string {
  const { comma, colon, encode = (text: string) => text } = style
  if (Array.isArray(json)) return `[${json.map((item) => write(item, style)).join(comma)}]`
  if (typeof json !== 'object' || json === null) return encode(JSON.stringify(json))
  const members = Object.entries(json)
  if (style.sorted === true) members.sort(byName)
  return `{${members.map(([name, value]) => `${encode(JSON.stringify(name))}${colon}${write(value, style)}`).join(comma)}}`
}

function sorted(json: Json): Json {
  if (Array.isArray(json)) return json.map(sorted)
  if (typeof json !== 'object' || json === null) return json
  return Object.fromEntries(
    Object.entries(json)
      .sort(byName)
      .map(([name, value]) => [name, sorted(value)]),
  )
}

function byName([a]: [string, Json], [b]: [string, Json]): number {
  return a < b ? -1 : a > b ? 1 : 0
}
