import { trimOws } from '../core/header-values.ts'

/**
 * The part of RFC 9651 (structured fields) that signatures need, read strictly. The libraries follow the RFC's
 * recovery rules: of two members with one name the last wins, base64 without padding or with stray bits is taken.
 * In a signature each of these is a second reading of the same bytes, so they are refused here.
 */
export type BareItem =
  | { type: 'string'; value: string }
  | { type: 'integer'; value: number }
  | { type: 'bytes'; value: Buffer }
  /** Tokens, booleans, decimals, dates, display strings: nothing that a signature of ours is made of. */
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
/** Not `01`: the digits that are signed must be the digits on the wire. */
const INTEGER = /(?:0|-?[1-9][0-9]{0,14})(?![0-9.])/y
const OTHER =
  /[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*|\?[01]|-?[0-9]{1,12}\.[0-9]{1,3}(?![0-9])|@-?[0-9]{1,15}(?![0-9.])|%"(?:[ !#$&-~]|%[0-9a-f]{2})*"/y
const NO_PARAMETERS: Parameters = new Map()
const SPACES = / */y
const OWS = /[ \t]*/y

/** The members of a dictionary, from the lines of its header. Undefined if any of it breaks the grammar above. */
export function parseDictionary(lines: readonly string[]): Map<string, Member> | undefined {
  const text = trimOws(lines.join(', '))
  let at = 0

  /** What matches here, which may be the empty string; the position moves behind it. */
  function take(pattern: RegExp): string | undefined {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    if (found !== undefined) at += found.length
    return found
  }

  function sees(character: string): boolean {
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
    while (sees(';')) {
      take(SPACES)
      const key = take(KEY)
      if (key === undefined || found.has(key)) return undefined
      const value = sees('=') ? bareItem() : ({ type: 'other', value: '?1' } as const)
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
    while (!sees(')')) {
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
    if (key === undefined || members.has(key) || !sees('=')) return undefined
    const member = sees('(') ? innerList() : itemWithParameters()
    if (member === undefined) return undefined
    members.set(key, member)
    take(OWS)
    if (at === text.length) return members
    if (!sees(',')) return undefined
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
