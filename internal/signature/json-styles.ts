import { isUtf8 } from 'node:buffer'

/** Larger bodies are not rewritten: that costs a parse, about 24 copies and hundreds of hashes. */
export const MAX_TRY_BYTES = 262_144

type Json = null | boolean | number | string | Json[] | { [member: string]: Json }

interface Style {
  comma: string
  colon: string
  order?: (a: string, b: string) => number
  encode?: (text: string) => string
  number?: (value: number) => string
}

const COMPACT: Style = { comma: ',', colon: ':' }
const SPACED: Style = { comma: ', ', colon: ': ' }

const byName = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
const byLength = (a: string, b: string) => a.length - b.length || byName(a, b)
const unit = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
const ascii = (text: string) => text.replace(/[\u007f-\uffff]/g, unit)
const slashes = (text: string) => text.replaceAll('/', '\\/')
const forHtml = (text: string) => text.replace(/[<>&\u2028\u2029]/g, unit)
const gson = (text: string) => text.replace(/[<>&='\u2028\u2029]/g, unit)
/** JavaScriptEncoder.Default: escapes what is unsafe in HTML, a quote as \u0022, with hex digits in upper case. */
const dotNet = (text: string) =>
  `"${text
    .slice(1, -1)
    .replaceAll('\\"', '"')
    .replace(/["&'+<>`\u007f-\uffff]/g, (character) => unit(character).toUpperCase().replace('\\U', '\\u'))}"`
const float = (value: number) => (Number.isInteger(value) ? `${value}.0` : String(value))

const SAME = 'Sign the exact bytes that you send'
const IN_PYTHON = 'Keep the text of json.dumps, sign it and send it by data=, not json='
const IN_PHP = 'Keep the text of json_encode, sign it and send it'
const IN_DOTNET = 'Serialise once (SerializeToUtf8Bytes), sign these bytes and send them by ByteArrayContent'
const IN_GO = 'Keep the bytes of json.Marshal, sign them and send them by bytes.NewReader'

/** How common libraries write JSON: the same value in different bytes. */
const STYLES: [hint: string, advice: string, Style][] = [
  ['without spaces (JSON.stringify)', SAME, COMPACT],
  ['with ", " and ": " (json.dumps of Python)', IN_PYTHON, SPACED],
  ['with ", " and ": " and \\u escapes (json.dumps of Python)', IN_PYTHON, { ...SPACED, encode: ascii }],
  ['without spaces and with \\u escapes', SAME, { ...COMPACT, encode: ascii }],
  [
    'with \\/ for each slash (json_encode of PHP)',
    IN_PHP,
    { ...COMPACT, encode: (text) => ascii(slashes(text)) },
  ],
  [
    'with \\/ for each slash, and other characters as they are (PHP, Swift)',
    SAME,
    { ...COMPACT, encode: slashes },
  ],
  ['with \\u003c, \\u003e and \\u0026 (Go, Rails)', IN_GO, { ...COMPACT, encode: forHtml }],
  [
    "with \\u003d and \\u0027 for = and ' (Gson)",
    'Keep the text of toJson, sign it and send it',
    { ...COMPACT, encode: gson },
  ],
  [
    'with \\u0022, \\u0027 and other escapes (System.Text.Json of .NET)',
    IN_DOTNET,
    { ...COMPACT, encode: dotNet },
  ],
  ['with sorted keys', SAME, { ...COMPACT, order: byName }],
  ['with sorted keys and ", " and ": " (json.dumps of Python)', IN_PYTHON, { ...SPACED, order: byName }],
  ['with whole numbers as 1.0', SAME, { ...COMPACT, number: float }],
  [
    'with whole numbers as 1.0, and ", " and ": " (json.dumps of Python)',
    IN_PYTHON,
    { ...SPACED, number: float },
  ],
  ['as jsonb of PostgreSQL prints it', 'Keep what you sent as text', { ...SPACED, order: byLength }],
]

/** The same JSON as other programs write it, each with its hint. Empty if the body is not JSON. */
export function jsonRewrites(body: Buffer): [hint: string, text: string][] {
  const json = parsed(body)
  if (json === undefined) return []
  const pretty = (indent: number | string) => JSON.stringify(json, null, indent)
  const php = ascii(slashes(pretty(4)))
  const reason = 'the signed JSON has other bytes than the sent JSON: it was serialised again'
  const rewritten: [string, string, string][] = [
    ...STYLES.map(([hint, advice, style]): [string, string, string] => [hint, advice, write(json, style)]),
    ['indented by 2 spaces', SAME, pretty(2)],
    ['indented by 4 spaces', SAME, pretty(4)],
    ['indented by tabs', SAME, pretty('\t')],
    ['indented by 2 spaces, with sorted keys', SAME, JSON.stringify(sorted(json), null, 2)],
    [
      'indented by 2 spaces, with CR LF (WriteIndented of .NET on Windows)',
      IN_DOTNET,
      pretty(2).replaceAll('\n', '\r\n'),
    ],
    ['by JSON_PRETTY_PRINT of PHP', IN_PHP, php],
    ['as text in a JSON string', SAME, JSON.stringify(body.toString('utf8'))],
  ]
  return rewritten.map(([hint, advice, text]) => [`${reason}, ${hint}. ${advice}`, text])
}

/** The members of a JSON object, written as a form: what is signed where a form was signed and JSON was sent. */
export function formRewrites(body: Buffer): [hint: string, text: string][] {
  const json = parsed(body)
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return []
  const members = Object.entries(json).map(([name, value]): [string, string] => [
    name,
    typeof value === 'object' ? JSON.stringify(value) : String(value),
  ])
  const ordered = members.toSorted(([a], [b]) => byName(a, b))
  const plain = (of: [string, string][]) => of.map(([name, value]) => `${name}=${value}`).join('&')
  const values = (of: [string, string][]) => of.map(([, value]) => value).join('')
  const escaped = (of: [string, string][]) => new URLSearchParams(of).toString()
  return [
    ['a form (name=value&...) was signed, and JSON was sent', escaped(members)],
    ['a form with sorted names was signed, and JSON was sent', escaped(ordered)],
    ['name=value&... was signed, and JSON was sent', plain(members)],
    ['name=value&... with sorted names was signed, and JSON was sent', plain(ordered)],
    ['the values of the members were signed, concatenated', values(members)],
    ['the values of the members were signed, concatenated in the order of their names', values(ordered)],
  ].map(([hint, text]) => [`${hint}: sign the exact bytes that you send`, text ?? ''])
}

function parsed(body: Buffer): Json | undefined {
  if (body.length > MAX_TRY_BYTES || !isUtf8(body)) return undefined
  try {
    const json: Json = JSON.parse(body.toString('utf8').replace(/^\ufeff/, ''))
    // Throws RangeError here if the nesting is too deep for the stack.
    write(json, COMPACT)
    return json
  } catch {
    return undefined
  }
}

function write(json: Json, style: Style): string {
  const { comma, colon, order, encode = (text: string) => text, number = String } = style
  if (Array.isArray(json)) return `[${json.map((item) => write(item, style)).join(comma)}]`
  if (typeof json === 'number') return number(json)
  if (typeof json !== 'object' || json === null) return encode(JSON.stringify(json))
  const members = Object.entries(json)
  if (order !== undefined) members.sort(([a], [b]) => order(a, b))
  return `{${members.map(([name, value]) => `${encode(JSON.stringify(name))}${colon}${write(value, style)}`).join(comma)}}`
}

function sorted(json: Json): Json {
  if (Array.isArray(json)) return json.map(sorted)
  if (typeof json !== 'object' || json === null) return json
  return Object.fromEntries(
    Object.entries(json)
      .sort(([a], [b]) => byName(a, b))
      .map(([name, value]) => [name, sorted(value)]),
  )
}
