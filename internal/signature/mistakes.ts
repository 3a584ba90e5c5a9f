import type { LooseMac } from './loose-signature.ts'

/** What a client may have signed: the joined fields, with a secret. Each character of a string is one byte (latin1). */
export interface Draft {
  secret: Buffer
  /** Undefined: the field is left out. */
  fields: readonly (string | undefined)[]
  /** For recipes that sign the body itself instead of its hash. */
  body: string
  separator: string
  end: string
  /** Builds the text from the draft, instead of joining the fields. */
  recipe: ((draft: Draft) => string) | undefined
  /** Encodes the text; latin1 by default. */
  encode: ((text: string) => Buffer) | undefined
  /** Computes the MAC; HMAC-SHA256 by default. */
  macOf: ((secret: Buffer, text: Buffer) => Buffer) | undefined
}

export interface Mistake {
  /** Two mistakes of the same axis are never combined. */
  axis: string
  /** What was done and, after a colon, what to do. */
  hint: string
  /** Not combined with a second mistake: too rare. */
  alone?: true
  change: (draft: Draft) => Draft
}

/** One interpretation of what a client tried to sign, and the mistakes to try with it. */
export interface Attempt {
  draft: Omit<Draft, 'secret'>
  macs: readonly LooseMac[]
  mistakes: readonly Mistake[]
  /** What is wrong with the headers, independent of what was signed. */
  form: readonly string[]
  /** How many mistakes are combined. */
  maxMistakes: 0 | 1 | 2
}

/** The lines of the v1 string to sign, in order. */
export const V1_FIELDS = ['prefix', 'time', 'method', 'target', 'client', 'key', 'hash'] as const
export type V1Field = (typeof V1_FIELDS)[number]

export function lineIndex(field: V1Field): number {
  return V1_FIELDS.indexOf(field)
}

/** A correct draft, to which mistakes are applied. */
export function draftOf(fields: readonly string[], body = ''): Omit<Draft, 'secret'> {
  return { fields, body, separator: '\n', end: '', recipe: undefined, encode: undefined, macOf: undefined }
}

/** Replaces the value of a field. If `signed` returns undefined, the field is left out. */
export function replace(
  axis: string,
  at: number,
  hint: string,
  signed: (old: string) => string | undefined,
): Mistake {
  return {
    axis,
    hint,
    change: (draft) => ({
      ...draft,
      fields: draft.fields.map((old, i) => (i === at && old !== undefined ? signed(old) : old)),
    }),
  }
}

export function alone(mistake: Mistake): Mistake {
  return { ...mistake, alone: true }
}

const SEPARATORS = Object.entries({
  'without a separator': '',
  'by dots': '.',
  'by colons': ':',
  'by spaces': ' ',
  'by commas': ',',
  'by |': '|',
  'by &': '&',
})

/** Wrong ways to join the lines; the same for v1 and the signature base of RFC 9421. */
export function layoutMistakes(): Mistake[] {
  const variants: [string, Partial<Draft>][] = [
    [
      'the string to sign had a newline at its end: drop it (printf %s instead of echo, join() instead of println)',
      { end: '\n' },
    ],
    ['the string to sign had CR LF at its end: drop it', { end: '\r\n' }],
    [
      'the lines were joined by CR LF: join them by LF ("\\n", not Environment.NewLine)',
      { separator: '\r\n' },
    ],
    [
      'the lines were joined by a backslash and an n (a literal \\n): join them by LF ("\\n" in double quotes)',
      { separator: '\\n' },
    ],
    ...SEPARATORS.map(([name, separator]): [string, Partial<Draft>] => [
      `the lines were joined ${name}: join them by LF`,
      { separator },
    ]),
  ]
  return variants.map(([hint, change]) => ({
    axis: 'layout',
    hint,
    change: (draft) => ({ ...draft, ...change }),
  }))
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

export function methodMistakes(at: number, wrap: (value: string) => string = (value) => value): Mistake[] {
  const of = (hint: string, signed: (old: string) => string) => replace('method', at, hint, signed)
  const others = METHODS.map((other) =>
    of(`the method ${other} was signed, but another one was sent: sign the method that is sent`, () =>
      wrap(other),
    ),
  )
  const head =
    'the method HEAD was signed but another one arrived: a proxy or cache turns HEAD into GET, so send GET'
  const lower = of('the method was signed in lower case: sign it in capitals, as sent', (old) =>
    old.replace(/[A-Z]+$/, (m) => m.toLowerCase()),
  )
  return [lower, ...[...others, of(head, () => wrap('HEAD'))].map(alone)]
}

export function keyMistakes(at: number, key: string, wrap: (value: string) => string): Mistake[] {
  if (key === '') return []
  const bare = key.replace(/^"(.*)"$/, '$1')
  const hint = (what: string, signed: string | undefined) =>
    replace('key', at, what, () => (signed === undefined ? undefined : wrap(signed)))
  return [
    hint(
      'the line of the idempotency key was empty, but the header was sent: put the value of the header there',
      '',
    ),
    hint('the line of the idempotency key was missing: put the value of the header there', undefined),
    hint('the idempotency key was signed without its quotes: sign the header as sent', bare),
    hint('the idempotency key was signed in quotes: sign the header as sent', `"${bare}"`),
    alone(hint('the idempotency key was signed in lower case: sign the header as sent', key.toLowerCase())),
    alone(hint('the idempotency key was signed in upper case: sign the header as sent', key.toUpperCase())),
    alone(
      hint(
        'the idempotency key was signed with the name of its header: sign only the value',
        `Idempotency-Key: ${key}`,
      ),
    ),
  ]
}

/** `client`: the client that the partner means to be, if that is known. */
export function clientMistakes(sent: boolean, client: string | undefined): Mistake[] {
  const of = (hint: string, signed: (old: string) => string | undefined) =>
    replace('client', lineIndex('client'), hint, signed)
  const found = [
    of('the line of the client id was empty: put the client id there, "default" if none is sent', () => ''),
    of('the line of the client id was missing: put it between the target and the key', () => undefined),
    of('the client id was signed in lower case: sign X-Client-Id as sent', (old) => old.toLowerCase()),
    of('the client id was signed in upper case: sign X-Client-Id as sent', (old) => old.toUpperCase()),
  ]
  if (sent) {
    const hint = 'the client "default" was signed, X-Client-Id names another: sign the client in X-Client-Id'
    found.push(of(hint, () => 'default'))
  }
  if (client !== undefined) {
    const why = sent ? 'X-Client-Id names another' : 'X-Client-Id was not sent'
    found.push(of(`the client "${client}" was signed, ${why}: send X-Client-Id: ${client}`, () => client))
  }
  return found
}

/** `date`: the value of the Date header, if there is one. */
export function timeMistakes(date: string | undefined): Mistake[] {
  const at = lineIndex('time')
  const iso = (text: string) => {
    const ms = Number(text) * (text.length > 11 ? 1 : 1000)
    return Number.isFinite(ms) && ms < 8.64e15 ? new Date(ms).toISOString() : ''
  }
  const asDate = 'the time was signed as a date, not in Unix seconds: sign the digits of t'
  const time = (hint: string, signed: (t: string) => string | undefined) => replace('time', at, hint, signed)
  return [
    time('the time was signed in milliseconds, but t is in seconds: sign the digits of t', (t) => `${t}000`),
    time('the time was signed in seconds, but t is in milliseconds: send t in seconds', (t) =>
      t.slice(0, -3),
    ),
    time('the line of the time was missing: put the digits of t there', () => undefined),
    time('the line of the time was empty: put the digits of t there', () => ''),
    time(asDate, iso),
    time(asDate, (t) => iso(t).replace('.000', '')),
    alone(time(asDate, (t) => (iso(t) === '' ? '' : new Date(iso(t)).toUTCString()))),
    ...(date === undefined
      ? []
      : [alone(time('the Date header was signed as the time: sign the digits of t', () => date))]),
    time('the time was signed with its "t=": sign only its digits', (t) => `t=${t}`),
    time(
      'the time was signed with decimals (a float), but t has none: sign and send whole seconds',
      (t) => `${t}.0`,
    ),
    time('the time was signed in whole seconds, but t has decimals: send whole seconds', (t) =>
      t.replace(/\..*/, ''),
    ),
  ]
}

export function lineMistakesOfV1(): Mistake[] {
  const exchange = (hint: string, one: V1Field, other: V1Field): Mistake => ({
    axis: 'order',
    hint,
    alone: true,
    change: (draft) => ({
      ...draft,
      fields: draft.fields.map((old, i) =>
        i === lineIndex(one)
          ? draft.fields[lineIndex(other)]
          : i === lineIndex(other)
            ? draft.fields[lineIndex(one)]
            : old,
      ),
    }),
  })
  return [
    replace('prefix', lineIndex('prefix'), 'the first line, v1, was missing: start with it', () => undefined),
    alone(replace('prefix', lineIndex('prefix'), 'the first line was "v0", it is "v1"', () => 'v0')),
    alone(replace('prefix', lineIndex('prefix'), 'the first line was "v1=", it is "v1"', () => 'v1=')),
    exchange('the lines of client and key were swapped: the client comes first', 'client', 'key'),
    exchange('the lines of time and method were swapped: the time comes first', 'time', 'method'),
    exchange('the lines of method and target were swapped: the method comes first', 'method', 'target'),
  ]
}

/** Mistakes in a line of a signature base, `"name": value`. */
export function lineMistakes(
  name: string,
  at: number,
  variants: readonly [string, string | undefined][],
): Mistake[] {
  return variants.map(([hint, value]) =>
    replace(name, at, hint, () => (value === undefined ? undefined : `"${name}": ${value}`)),
  )
}
