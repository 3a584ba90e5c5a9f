import { createHash } from 'node:crypto'
import type { BodyMistake } from './body-mistakes.ts'

/** What somebody may have signed: the fields, joined, under a secret. Strings hold one character a byte. */
export interface Draft {
  secret: Buffer
  /** Undefined: left out. */
  fields: readonly (string | undefined)[]
  glue: string
  end: string
  hash: 'sha256' | 'sha1' | 'sha512'
}

export interface Mistake {
  /** Two mistakes of one axis exclude each other. */
  axis: string
  says: string
  change: (draft: Draft) => Draft
}

/** Places in the string to sign of v1. */
export const V1_FIELDS = ['prefix', 'time', 'method', 'target', 'client', 'key', 'hash'] as const
export type V1Field = (typeof V1_FIELDS)[number]

/** Puts another value in place of a field; `signed` answering undefined leaves it out. */
function replace(
  axis: string,
  place: number,
  says: string,
  signed: (old: string) => string | undefined,
): Mistake {
  return {
    axis,
    says,
    change: (draft) => ({
      ...draft,
      fields: draft.fields.map((old, i) => (i === place && old !== undefined ? signed(old) : old)),
    }),
  }
}

function place(field: V1Field): number {
  return V1_FIELDS.indexOf(field)
}

/**
 * @param guess also what anybody could sign who does not know the secret
 */
export function secretMistakes(secret: Buffer, guess: boolean): Mistake[] {
  const text = secret.toString('latin1')
  const latin1 = (changed: string) => Buffer.from(changed, 'latin1')
  const bare = text.trim()
  const variants: [string, Buffer][] = [
    ['the secret was used with a newline at its end (from a file or echo)', latin1(`${text}\n`)],
    ['the secret was used with CR LF at its end', latin1(`${text}\r\n`)],
    ['the secret was used without the white space around it', latin1(bare)],
    ['the secret was used with a space behind it', latin1(`${text} `)],
    ['the secret was used with a space in front of it', latin1(` ${text}`)],
    ['the secret was used with its quotes: "..."', latin1(`"${text}"`)],
    ["the secret was used with its quotes: '...'", latin1(`'${text}'`)],
    ['the secret was base64-encoded: use its text as the key', latin1(secret.toString('base64'))],
    ['the secret was hex-encoded: use its text as the key', latin1(secret.toString('hex'))],
  ]
  if (/^([0-9a-f]{2})+$/i.test(bare)) {
    variants.push(['the secret was hex-decoded: use its text as the key', Buffer.from(bare, 'hex')])
  }
  if (/^[A-Za-z0-9+/_-]{4,}={0,2}$/.test(bare)) {
    variants.push(['the secret was base64-decoded: use its text as the key', Buffer.from(bare, 'base64')])
  }
  const useful = variants.filter(([, variant]) => variant.length > 0 && !variant.equals(secret))
  if (guess) useful.push(['the secret was empty (an environment variable that is not set?)', Buffer.alloc(0)])
  return useful.map(([says, variant]) => ({
    axis: 'secret',
    says,
    change: (draft) => ({ ...draft, secret: variant }),
  }))
}

/** Other hash functions: their MACs have other lengths. */
export function hashMistakes(): Mistake[] {
  return (['sha1', 'sha512'] as const).map((hash) => ({
    axis: 'algorithm',
    says: `HMAC-${hash.toUpperCase()} was used: use HMAC-SHA256`,
    change: (draft) => ({ ...draft, hash }),
  }))
}

/** How lines are joined; the same for v1 and the signature base of RFC 9421. */
export function layoutMistakes(): Mistake[] {
  const variants: [string, Partial<Draft>][] = [
    ['the string to sign had a newline at its end', { end: '\n' }],
    ['the lines were joined by CR LF: join them by LF', { glue: '\r\n' }],
    ['the lines were joined by a backslash and an n (a literal \\n): join them by LF', { glue: '\\n' }],
    ['the lines were joined by nothing: join them by LF', { glue: '' }],
    ['the lines were joined by dots: join them by LF', { glue: '.' }],
    ['the lines were joined by colons: join them by LF', { glue: ':' }],
    ['the lines were joined by spaces: join them by LF', { glue: ' ' }],
  ]
  return variants.map(([says, change]) => ({
    axis: 'layout',
    says,
    change: (draft) => ({ ...draft, ...change }),
  }))
}

export function methodMistakes(at: number, wrap: (value: string) => string = (value) => value): Mistake[] {
  const others = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].map((other) =>
    replace('method', at, `the method ${other} was signed, another one was sent`, () => wrap(other)),
  )
  const lower = replace('method', at, 'the method was signed in lower case', (old) =>
    old.replace(/[A-Z]+$/, (m) => m.toLowerCase()),
  )
  return [lower, ...others]
}

export function keyMistakes(at: number, key: string, wrap: (value: string) => string): Mistake[] {
  if (key === '') return []
  const bare = key.replace(/^"(.*)"$/, '$1')
  return [
    replace('key', at, 'the line of the idempotency key was empty, the header was sent', () => wrap('')),
    replace('key', at, 'the line of the idempotency key was missing', () => undefined),
    replace('key', at, 'the idempotency key was signed without its quotes: sign the header as sent', () =>
      wrap(bare),
    ),
    replace('key', at, 'the idempotency key was signed in quotes: sign the header as sent', () =>
      wrap(`"${bare}"`),
    ),
  ]
}

/** `client`: who the partner takes itself for, if that is known. */
export function clientMistakes(sent: boolean, client: string | undefined): Mistake[] {
  const at = place('client')
  const found = [
    replace('client', at, 'the line of the client id was empty', () => ''),
    replace('client', at, 'the line of the client id was missing', () => undefined),
    replace('client', at, 'the client id was signed in lower case', (old) => old.toLowerCase()),
    replace('client', at, 'the client id was signed in upper case', (old) => old.toUpperCase()),
  ]
  if (sent) {
    found.push(
      replace('client', at, 'the client "default" was signed, X-Client-Id says another', () => 'default'),
    )
  }
  if (client !== undefined) {
    const why = sent ? 'X-Client-Id says another' : 'X-Client-Id was not sent'
    found.push(replace('client', at, `the client "${client}" was signed, ${why}`, () => client))
  }
  return found
}

export function timeMistakes(): Mistake[] {
  const at = place('time')
  const iso = (text: string) => {
    const ms = Number(text) * (text.length > 11 ? 1 : 1000)
    return Number.isFinite(ms) && ms < 8.64e15 ? new Date(ms).toISOString() : ''
  }
  return [
    replace('time', at, 'the time was signed in milliseconds, t is in seconds', (t) => `${t}000`),
    replace('time', at, 'the time was signed in seconds, t is in milliseconds', (t) => t.slice(0, -3)),
    replace('time', at, 'the line of the time was missing', () => undefined),
    replace('time', at, 'the line of the time was empty', () => ''),
    replace('time', at, 'the time was signed as a date, not in Unix seconds', iso),
    replace('time', at, 'the time was signed as a date, not in Unix seconds', (t) =>
      iso(t).replace('.000', ''),
    ),
    replace('time', at, 'the time was signed together with its "t="', (t) => `t=${t}`),
  ]
}

export function prefixMistakes(): Mistake[] {
  return [replace('prefix', place('prefix'), 'the first line, v1, was missing', () => undefined)]
}

/** The last line of v1: which body, and how its hash is written. */
export function bodyHashMistakes(body: Buffer, mistakes: readonly BodyMistake[]): Mistake[] {
  const at = place('hash')
  const raw = body.toString('latin1')
  const recode = (encoding: 'base64' | 'base64url') => (hex: string) =>
    Buffer.from(hex, 'hex').toString(encoding)
  return [
    ...mistakes.map(({ says, body: other }) => replace('body', at, says, () => sha256(other))),
    replace('body', at, 'the body itself was signed: sign its SHA-256 in lower-case hex', () => raw),
    replace('body', at, 'the line of the SHA-256 of the body was missing', () => undefined),
    replace('body', at, 'the line of the SHA-256 of the body was empty', () => ''),
    replace('body hash', at, 'the SHA-256 of the body was written in upper case', (hex) => hex.toUpperCase()),
    replace('body hash', at, 'the SHA-256 of the body was written in base64, not in hex', recode('base64')),
    replace(
      'body hash',
      at,
      'the SHA-256 of the body was written in base64url, not in hex',
      recode('base64url'),
    ),
  ]
}

export function wholeBodyMistakes(mistakes: readonly BodyMistake[]): Mistake[] {
  return mistakes.map(({ says, body }) => replace('body', 0, says, () => body.toString('latin1')))
}

/** The target line of v1. */
export function targetLineMistakes(target: string, host: string | undefined): Mistake[] {
  return targetVariants(target, host).map(([says, value]) =>
    replace('target', place('target'), says, () => value),
  )
}

/** What people sign in place of the request target. */
export function targetVariants(target: string, host: string | undefined): [string, string][] {
  const split = target.indexOf('?')
  const path = split === -1 ? target : target.slice(0, split)
  const query = split === -1 ? '' : target.slice(split)
  const variants: [string, string][] = [
    ['the query was not signed: sign path and query as sent', path],
    ['the path was signed with a slash at its end', `${path}/${query}`],
    ['the path was signed without the slash at its end', `${path.replace(/\/$/, '')}${query}`],
    ['the path was signed without its first slash', target.slice(1)],
    ['the path was signed decoded: sign it as sent', decoded(target)],
    ['the path was signed in lower case', target.toLowerCase()],
    [
      'the query was signed with sorted parameters: sign it as sent',
      `${path}?${query.slice(1).split('&').sort().join('&')}`,
    ],
    ['only a slash was signed as the path', '/'],
  ]
  for (const prefix of host === undefined ? [] : [`http://${host}`, `https://${host}`, host]) {
    variants.push(
      [`the host was signed with the path ("${prefix}"): sign path and query alone`, `${prefix}${target}`],
      [`the host was signed with the path ("${prefix}"), and the query was not`, `${prefix}${path}`],
    )
  }
  // A base URL that ends within the path: the partner signs what it adds to it.
  for (let at = path.indexOf('/', 1); at > 0; at = path.indexOf('/', at + 1)) {
    variants.push([`the beginning of the path, "${path.slice(0, at)}", was not signed`, target.slice(at)])
  }
  const seen = new Set([target])
  return variants.filter(([, value]) => !seen.has(value) && seen.add(value))
}

function decoded(target: string): string {
  try {
    return Buffer.from(decodeURIComponent(target), 'utf8').toString('latin1')
  } catch {
    return target
  }
}

/** For the lines of a signature base: `"name": value`. */
export function lineMistakes(
  name: string,
  at: number,
  variants: readonly [string, string | undefined][],
): Mistake[] {
  return variants.map(([says, value]) =>
    replace(name, at, says, () => (value === undefined ? undefined : `"${name}": ${value}`)),
  )
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
