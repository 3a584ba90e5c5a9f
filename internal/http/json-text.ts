import { isUtf8 } from 'node:buffer'
import type { JsonBody } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'

/** A body nested deeper than this is nobody's order. */
const MAX_DEPTH = 64
/**
 * Characters of the JSON Pointer of a number. Without it one member name of 32,000 characters over 16,000 numbers
 * would be half a gigabyte of pointers, from a body of 64 KiB.
 */
const MAX_POINTER = 1_024
const BOM = Buffer.from([0xef, 0xbb, 0xbf])

/**
 * RFC 8259 text as its value and the text of its numbers. Stricter than JSON.parse: valid UTF-8, no object with a
 * member twice (readers disagree on which one counts), at most 64 levels, no number under names of more than 1,024
 * characters. Throws `invalid_json`.
 */
export function parseJsonText(bytes: Buffer): JsonBody {
  if (!isUtf8(bytes)) throw invalid('it is not valid UTF-8')
  const text = bytes.toString('utf8')
  try {
    const value: unknown = JSON.parse(text)
    return { value, numbers: scan(text) }
  } catch (error) {
    // The engine's own message quotes the body; a position would do, but its wording changes between versions.
    if (error instanceof SyntaxError) throw invalid(text === '' ? 'it is empty' : 'it does not parse')
    throw error
  }
}

/**
 * The same for a value that koa-bodyparser, which keeps no text of numbers and no duplicates, has made of these bytes.
 * Throws `invalid_json`.
 */
export function withNumbers(value: unknown, bytes: Buffer): JsonBody {
  // That parser skips a byte order mark: the same bytes would be a body here and none elsewhere.
  if (bytes.subarray(0, BOM.length).equals(BOM)) throw invalid('it begins with a byte order mark')
  return { value, numbers: scan(bytes.toString('utf8')) }
}

interface Level {
  /** undefined: an array. */
  names: Set<string> | undefined
  /** Name of the current member, or index of the current element. */
  at: string | number
}

/** The text is one that JSON.parse has accepted: outside of strings a mark is a mark, and a digit belongs to a number. */
function scan(text: string): Map<string, string> {
  const numbers = new Map<string, string>()
  const levels: Level[] = []
  let expectName = false
  for (let at = 0; at < text.length; at++) {
    const level = levels.at(-1)
    const char = text.charAt(at)
    switch (char) {
      case '{':
      case '[':
        if (levels.length === MAX_DEPTH) throw invalid(`it is nested deeper than ${MAX_DEPTH} levels`)
        levels.push({ names: char === '{' ? new Set() : undefined, at: char === '{' ? '' : 0 })
        expectName = char === '{'
        break
      case '}':
      case ']':
        levels.pop()
        expectName = false
        break
      case ',':
        expectName = level?.names !== undefined
        if (typeof level?.at === 'number') level.at++
        break
      case ':':
        expectName = false
        break
      case '"': {
        const end = endOfString(text, at + 1)
        if (expectName && level?.names !== undefined) {
          level.at = nameOf(text.slice(at, end))
          if (level.names.has(level.at)) throw duplicate(levels)
          level.names.add(level.at)
        }
        at = end - 1
        break
      }
      default:
        if (char === '-' || (char >= '0' && char <= '9')) {
          const end = endOfNumber(text, at)
          numbers.set(pointerOfNumber(levels), text.slice(at, end))
          at = end - 1
        }
    }
  }
  return numbers
}

/** Of a string that begins before `start`, with its closing quote. A regular expression would need a stack that grows with its escapes. */
function endOfString(text: string, start: number): number {
  let at = start
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

function endOfNumber(text: string, start: number): number {
  let at = start
  while (NUMERIC.has(text.charAt(at))) at++
  return at
}

const NUMERIC = new Set('-+.eE0123456789')

/** Of a string with its quotes. */
function nameOf(quoted: string): string {
  return quoted.includes('\\') ? String(JSON.parse(quoted)) : quoted.slice(1, -1)
}

function pointerOfNumber(levels: readonly Level[]): string {
  const length = levels.reduce((sum, { at }) => sum + 1 + String(at).length, 0)
  if (length > MAX_POINTER) throw invalid(`the names above a number have more than ${MAX_POINTER} characters`)
  return pointer(levels)
}

/** RFC 6901. */
function pointer(levels: readonly Level[]): string {
  return levels.map(({ at }) => `/${String(at).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

function duplicate(levels: readonly Level[]): ServiceError {
  const errors = [{ pointer: pointer(levels).slice(0, 200), detail: 'is there twice' }]
  return new ServiceError('invalid_json', 'The body is not valid JSON: an object has a member twice.', {
    errors,
  })
}

function invalid(reason: string): ServiceError {
  return new ServiceError('invalid_json', `The body is not valid JSON: ${reason}.`)
}
