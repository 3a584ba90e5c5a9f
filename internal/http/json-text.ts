import { isUtf8 } from 'node:buffer'
import type { JsonBody } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { endOfString, JsonNumbers, nameOf } from './json-numbers.ts'

/** Far deeper than any valid order or payment. */
const MAX_DEPTH = 64
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

/** Parses JSON (RFC 8259), stricter than JSON.parse: valid UTF-8, no repeated member, at most 64 levels. Throws `invalid_json`. */
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
