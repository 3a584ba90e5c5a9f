import { trimOws } from '../core/header-values.ts'

/**
 * A strict parser for the part of RFC 9651 (structured fields) that signatures need. Libraries follow the lenient rules
 * of the RFC: the last of two members with the same name wins, and base64 without padding or with stray bits is
 * accepted. Such input has more than one interpretation, so it is refused here.
 */
export type BareItem =
  | { type: 'string'; value: string }
  | { type: 'integer'; value: number }
  | { type: 'bytes'; value: Buffer }
  /** Tokens, booleans, decimals, dates and display strings, which our signatures do not use. */
  | { type: 'other'; value: string }

export type Parameters = ReadonlyMap<string, BareItem>
export interface Item {
  readonly item: BareItem
  readonly parameters: Parameters
}
export interface InnerList {
  readonly items: readonly Item[]
  readonly parameters: Parameters
}
export type Member = Item | InnerList

const KEY = /[a-z*][a-z0-9_.*-]*/y
const STRING = /"(?:[ !#-[\]-~]|\\["\\])*"/y
const BYTES = /:[A-Za-z0-9+/]*={0,2}:/y
/** Without leading zeros: the number must have the same digits when it is serialised again. */
const INTEGER = /(?:0|-?[1-9][0-9]{0,14})(?![0-9.])/y
const OTHER =
  /[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*|\?[01]|-?[0-9]{1,12}\.[0-9]{1,3}(?![0-9])|@-?[0-9]{1,15}(?![0-9.])|%"(?:[ !#$&-~]|%[0-9a-f]{2})*"/y
const NO_PARAMETERS: Parameters = new Map()
const SPACES = / */y
const OWS = /[ \t]*/y

/** The members of a dictionary, from the lines of its header. Undefined if the text does not match the grammar above. */
export function parseDictionary(lines: readonly string[]): Map<string, Member> | undefined {
  const text = trimOws(lines.join(', '))
  let at = 0

  /** Consumes and returns the match at the current position, which may be empty; undefined: no match. */
  function take(pattern: RegExp): string | undefined {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    if (found !== undefined) at += found.length
    return found
  }

  function consume(character: string): boolean {
    if (text[at] !== character) return false
    at++
    return true
  }

  function bareItem(): BareItem | undefined {
    const string = take(STRING)
    if (string !== undefined) return { type: 'string', value: string.slice(1, -1).replace(/\\(.)/g, '$1') }
    const bytes = take(BYTES)
    if (bytes !== undefined) return byteSequence(bytes.slice(1, -1))
    const integer = take(INTEGER)
    if (integer !== undefined) return { type: 'integer', value: Number(integer) }
    const other = take(OTHER)
    return other === undefined ? undefined : { type: 'other', value: other }
  }

  function parameters(): Parameters | undefined {
    if (text[at] !== ';') return NO_PARAMETERS
    const found = new Map<string, BareItem>()
    while (consume(';')) {
      take(SPACES)
      const key = take(KEY)
      if (key === undefined || found.has(key)) return undefined
      const value = consume('=') ? bareItem() : ({ type: 'other', value: '?1' } as const)
      if (value === undefined) return undefined
      found.set(key, value)
    }
    return found
  }

  function itemWithParameters(): Item | undefined {
    const item = bareItem()
    const found = item === undefined ? undefined : parameters()
    return item === undefined || found === undefined ? undefined : { item, parameters: found }
  }

  function innerList(): InnerList | undefined {
    const items: Item[] = []
    take(SPACES)
    while (!consume(')')) {
      const item = itemWithParameters()
      if (item === undefined || (text[at] !== ' ' && text[at] !== ')')) return undefined
      items.push(item)
      take(SPACES)
    }
    const found = parameters()
    return found === undefined ? undefined : { items, parameters: found }
  }

  const members = new Map<string, Member>()
  for (;;) {
    const key = take(KEY)
    if (key === undefined || members.has(key) || !consume('=')) return undefined
    const member = consume('(') ? innerList() : itemWithParameters()
    if (member === undefined) return undefined
    members.set(key, member)
    take(OWS)
    if (at === text.length) return members
    if (!consume(',')) return undefined
    take(OWS)
  }
}

function byteSequence(base64: string): BareItem | undefined {
  const value = Buffer.from(base64, 'base64')
  return value.toString('base64') === base64 ? { type: 'bytes', value } : undefined
}

export function serializeString(value: string): string {
  return `"${value.replace(/["\\]/g, '\\$&')}"`
}

export function serializeBytes(value: Buffer): string {
  return `:${value.toString('base64')}:`
}
