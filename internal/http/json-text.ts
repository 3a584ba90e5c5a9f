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

/** In text that JSON.parse has accepted, tokens are this simple: the quote that opens a string, a mark, or a run of anything else. */
const TOKEN = /[{}[\],:"]|[^\s{}[\],:"]+/g

/** Strings come with their quotes. A regular expression for them would need a stack that grows with their escapes. */
function* tokens(text: string): Generator<string> {
  const next = new RegExp(TOKEN)
  for (let match = next.exec(text); match !== null; match = next.exec(text)) {
    if (match[0] === '"') next.lastIndex = endOfString(text, next.lastIndex)
    yield text.slice(match.index, next.lastIndex)
  }
}

function endOfString(text: string, start: number): number {
  let at = start
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at + 1
}

function scan(text: string): Map<string, string> {
  const numbers = new Map<string, string>()
  const levels: Level[] = []
  let expectName = false
  for (const token of tokens(text)) {
    const level = levels.at(-1)
    if (token === '{' || token === '[') {
      if (levels.length === MAX_DEPTH) throw invalid(`it is nested deeper than ${MAX_DEPTH} levels`)
      levels.push({ names: token === '{' ? new Set() : undefined, at: token === '{' ? '' : 0 })
      expectName = token === '{'
    } else if (token === '}' || token === ']') {
      levels.pop()
      expectName = false
    } else if (token === ',') {
      expectName = level?.names !== undefined
      if (typeof level?.at === 'number') level.at++
    } else if (token === ':') {
      expectName = false
    } else if (expectName && level?.names !== undefined) {
      level.at = String(JSON.parse(token))
      if (level.names.has(level.at)) throw duplicate(levels)
      level.names.add(level.at)
    } else if (/^[-\d]/.test(token)) {
      numbers.set(pointerOfNumber(levels), token)
    }
  }
  return numbers
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
