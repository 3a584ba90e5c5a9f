import { isUtf8 } from 'node:buffer'
import type { JsonBody } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'

/** Far deeper than any valid order or payment. */
const MAX_DEPTH = 64
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

/**
 * Parses JSON (RFC 8259), stricter than JSON.parse: valid UTF-8, no repeated member, at most 64 levels. Throws
 * `invalid_json`.
 */
export function parseJsonText(bytes: Buffer): JsonBody {
  if (!isUtf8(bytes)) throw invalid('it is not valid UTF-8')
  const text = bytes.toString('utf8')
  try {
    const value: unknown = JSON.parse(text)
    return checked(value, text)
  } catch (error) {
    // The message of JSON.parse quotes the body, so it is not shown.
    if (error instanceof SyntaxError) throw invalid(text === '' ? 'it is empty' : 'it cannot be parsed')
    throw error
  }
}

/** The same for a value that koa-bodyparser parsed from `bytes`. Throws `invalid_json`. */
export function withNumbers(value: unknown, bytes: Buffer): JsonBody {
  // koa-bodyparser skips a byte order mark, which `parseJsonText` refuses.
  if (bytes.subarray(0, BOM.length).equals(BOM)) throw invalid('it begins with a byte order mark')
  return checked(value, bytes.toString('utf8'))
}

function checked(value: unknown, text: string): JsonBody {
  checkMembers(text)
  return { value, numbers: new JsonNumbers(text) }
}

interface Level {
  isObject: boolean
  /** The member names so far. `many` is the same as a Set, if there are more than FEW. */
  names: string[]
  many: Set<string> | undefined
  /** Name of the current member, or index of the current element. */
  at: string | number
}

const SPACE = 0x20
const QUOTE = 0x22
const COMMA = 0x2c
const OPEN_ARRAY = 0x5b
const CLOSE_ARRAY = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d

/** Throws if a member is repeated or the nesting is too deep. `text` must be valid JSON. One pass over the text. */
function checkMembers(text: string): void {
  const levels: Level[] = []
  let level: Level | undefined
  let expectName = false
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case OPEN_OBJECT:
      case OPEN_ARRAY:
        if (levels.length === MAX_DEPTH) throw invalid(`it is nested deeper than ${MAX_DEPTH} levels`)
        expectName = text.charCodeAt(at) === OPEN_OBJECT
        level = { isObject: expectName, names: [], many: undefined, at: expectName ? '' : 0 }
        levels.push(level)
        break
      case CLOSE_OBJECT:
      case CLOSE_ARRAY:
        levels.pop()
        level = levels.at(-1)
        expectName = false
        break
      case COMMA:
        expectName = level?.isObject === true
        if (typeof level?.at === 'number') level.at++
        break
      case QUOTE: {
        const end = endOfString(text, at)
        if (expectName && level !== undefined) addName(levels, level, nameOf(text.slice(at, end)))
        expectName = false
        at = end - 1
      }
    }
  }
}

function addName(levels: readonly Level[], level: Level, name: string): void {
  const { names } = level
  level.at = name
  if (names.length > FEW) level.many ??= new Set(names)
  if (level.many?.has(name) ?? names.includes(name)) throw duplicate(levels)
  names.push(name)
  level.many?.add(name)
}

/** For so few names a linear search is faster than a Set. */
const FEW = 8

/** The JSON Pointer (RFC 6901) of the current position. */
function pointer(levels: readonly Level[]): string {
  return levels.map(({ at }) => `/${String(at).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

function duplicate(levels: readonly Level[]): ServiceError {
  const errors = [{ pointer: pointer(levels).slice(0, 200), detail: 'appears twice' }]
  return new ServiceError('invalid_json', 'The body is not valid JSON: an object has a repeated member.', {
    errors,
  })
}

function invalid(reason: string): ServiceError {
  return new ServiceError('invalid_json', `The body is not valid JSON: ${reason}.`)
}

/**
 * The numbers of a JSON text as written, by JSON Pointer (RFC 6901). Each is searched on demand: an index could be many
 * times larger than the text.
 */
class JsonNumbers {
  readonly #text: string

  /** `text`: valid JSON without repeated members. */
  constructor(text: string) {
    this.#text = text
  }

  /** The number as written; undefined if there is no number at this pointer. */
  get(pointer: string): string | undefined {
    const text = this.#text
    let at = skipSpace(text, 0)
    for (const part of pointer.split('/').slice(1)) {
      const name = part.includes('~') ? part.replaceAll('~1', '/').replaceAll('~0', '~') : part
      const found = text[at] === '{' ? memberAt(text, at, name) : elementAt(text, at, name)
      if (found === undefined) return undefined
      at = found
    }
    return isNumberStart(text.charCodeAt(at)) ? text.slice(at, endOfScalar(text, at)) : undefined
  }
}

function isNumberStart(code: number): boolean {
  return code === MINUS || (code >= DIGIT_0 && code <= DIGIT_9)
}

const MINUS = 0x2d
const DIGIT_0 = 0x30
const DIGIT_9 = 0x39
const INDEX = /^(?:0|[1-9]\d{0,8})$/

/** The start of the value of a member. `at`: the index of the object's `{`. */
function memberAt(text: string, at: number, name: string): number | undefined {
  let next = skipSpace(text, at + 1)
  while (text[next] === '"') {
    const end = endOfString(text, next)
    const value = skipSpace(text, skipSpace(text, end) + 1)
    if (isNamed(text, next, end, name)) return value
    next = afterComma(text, endOfValue(text, value))
  }
  return undefined
}

/** Whether the quoted string from `start` to `end` is this name. With escapes it is longer than the name. */
function isNamed(text: string, start: number, end: number, name: string): boolean {
  const surplus = end - start - name.length - 2
  if (surplus === 0) return text.startsWith(name, start + 1) && !name.includes('\\')
  return surplus > 0 && nameOf(text.slice(start, end)) === name
}

/** The start of an array element. `at`: the index of the array's `[`; undefined if it is not an array. */
function elementAt(text: string, at: number, index: string): number | undefined {
  if (text[at] !== '[' || !INDEX.test(index)) return undefined
  let next = skipSpace(text, at + 1)
  for (let left = Number(index); left > 0 && text[next] !== ']'; left--) {
    next = afterComma(text, endOfValue(text, next))
  }
  return text[next] === ']' ? undefined : next
}

/** The next member or element after a value, or the bracket that closes the list. */
function afterComma(text: string, end: number): number {
  const at = skipSpace(text, end)
  return text[at] === ',' ? skipSpace(text, at + 1) : at
}

function endOfValue(text: string, start: number): number {
  if (text[start] === '"') return endOfString(text, start)
  if (text[start] !== '{' && text[start] !== '[') return endOfScalar(text, start)
  let depth = 0
  for (let at = start; ; at++) {
    const char = text[at]
    if (char === '"') at = endOfString(text, at) - 1
    else if (char === '{' || char === '[') depth++
    else if ((char === '}' || char === ']') && --depth === 0) return at + 1
  }
}

/** A number, true, false or null ends at the first `,` `]` `}` or white space. */
function endOfScalar(text: string, start: number): number {
  let at = start
  while (at < text.length && !isAfterScalar(text.charCodeAt(at))) at++
  return at
}

function isAfterScalar(code: number): boolean {
  return code === COMMA || code === CLOSE_ARRAY || code === CLOSE_OBJECT || code <= SPACE
}

/** Outside strings, valid JSON has no control characters except tabs and line breaks. */
function skipSpace(text: string, start: number): number {
  let at = start
  while (text.charCodeAt(at) <= SPACE) at++
  return at
}

/** The index after the closing quote of the string that starts at `start`. */
function endOfString(text: string, start: number): number {
  let at = text.indexOf('"', start + 1)
  while (isEscaped(text, at)) at = text.indexOf('"', at + 1)
  return at + 1
}

function isEscaped(text: string, quote: number): boolean {
  let before = quote
  while (text[before - 1] === '\\') before--
  return (quote - before) % 2 === 1
}

/** The value of a quoted string. */
function nameOf(quoted: string): string {
  return quoted.includes('\\') ? String(JSON.parse(quoted)) : quoted.slice(1, -1)
}
