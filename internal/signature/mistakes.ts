import type { LooseMac } from './loose-signature.ts'

/** What a client may have signed: the fields, joined, under a secret. Strings hold one character a byte. */
export interface Draft {
  secret: Buffer
  /** Undefined: left out. */
  fields: readonly (string | undefined)[]
  /** For recipes that sign the body itself and not a field that is made from it. */
  body: string
  glue: string
  end: string
  /** Makes the text in place of the joined fields. */
  recipe: ((draft: Draft) => string) | undefined
  /** Writes the text in other bytes. */
  encode: ((text: string) => Buffer) | undefined
  /** Another way to make a MAC than HMAC-SHA256. */
  macOf: ((secret: Buffer, text: Buffer) => Buffer) | undefined
}

export interface Mistake {
  /** Two mistakes of one axis exclude each other. */
  axis: string
  /** What was done, and behind a colon what to do. */
  says: string
  /** Too rare to be tried together with a second mistake. */
  alone?: true
  change: (draft: Draft) => Draft
}

/** One reading of what a client tried to sign, and the mistakes that may be in it. */
export interface Attempt {
  draft: Omit<Draft, 'secret'>
  macs: readonly LooseMac[]
  mistakes: readonly Mistake[]
  /** What is wrong with the headers themselves, whatever was signed. */
  form: readonly string[]
  /** How many mistakes at once are worth trying. */
  maxMistakes: 0 | 1 | 2
}

/** Places in the string to sign of v1. */
export const V1_FIELDS = ['prefix', 'time', 'method', 'target', 'client', 'key', 'hash'] as const
export type V1Field = (typeof V1_FIELDS)[number]

export function place(field: V1Field): number {
  return V1_FIELDS.indexOf(field)
}

/** A right draft; what went wrong is put into it. */
export function draftOf(fields: readonly string[], body = ''): Omit<Draft, 'secret'> {
  return { fields, body, glue: '\n', end: '', recipe: undefined, encode: undefined, macOf: undefined }
}

/** Puts another value in place of a field; `signed` returning undefined leaves it out. */
export function replace(
  axis: string,
  at: number,
  says: string,
  signed: (old: string) => string | undefined,
): Mistake {
  return {
    axis,
    says,
    change: (draft) => ({
      ...draft,
      fields: draft.fields.map((old, i) => (i === at && old !== undefined ? signed(old) : old)),
    }),
  }
}

export function alone(mistake: Mistake): Mistake {
  return { ...mistake, alone: true }
}

const GLUES = Object.entries({
  nothing: '',
  dots: '.',
  colons: ':',
  spaces: ' ',
  commas: ',',
  '|': '|',
  '&': '&',
})

/** How lines are joined; the same for v1 and the signature base of RFC 9421. */
export function layoutMistakes(): Mistake[] {
  const variants: [string, Partial<Draft>][] = [
    [
      'the string to sign had a newline at its end: drop it (printf %s in place of echo, join() in place of println)',
      { end: '\n' },
    ],
    ['the string to sign had CR LF at its end: drop it', { end: '\r\n' }],
    ['the lines were joined by CR LF: join them by LF ("\\n", not Environment.NewLine)', { glue: '\r\n' }],
    [
      'the lines were joined by a backslash and an n (a literal \\n): join them by LF ("\\n" in double quotes)',
      { glue: '\\n' },
    ],
    ...GLUES.map(([name, glue]): [string, Partial<Draft>] => [
      `the lines were joined by ${name}: join them by LF`,
      { glue },
    ]),
  ]
  return variants.map(([says, change]) => ({
    axis: 'layout',
    says,
    change: (draft) => ({ ...draft, ...change }),
  }))
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

export function methodMistakes(at: number, wrap: (value: string) => string = (value) => value): Mistake[] {
  const of = (says: string, signed: (old: string) => string) => replace('method', at, says, signed)
  const others = METHODS.map((other) =>
    of(`the method ${other} was signed, another one was sent: sign the method that is sent`, () =>
      wrap(other),
    ),
  )
  const head =
    'the method HEAD was signed and another one arrived: a proxy or cache makes GET of HEAD, so send GET'
  const lower = of('the method was signed in lower case: sign it in capitals, as sent', (old) =>
    old.replace(/[A-Z]+$/, (m) => m.toLowerCase()),
  )
  return [lower, ...[...others, of(head, () => wrap('HEAD'))].map(alone)]
}

export function keyMistakes(at: number, key: string, wrap: (value: string) => string): Mistake[] {
  if (key === '') return []
  const bare = key.replace(/^"(.*)"$/, '$1')
  const says = (what: string, signed: string | undefined) =>
    replace('key', at, what, () => (signed === undefined ? undefined : wrap(signed)))
  return [
    says(
      'the line of the idempotency key was empty, the header was sent: put the value of the header there',
      '',
    ),
    says('the line of the idempotency key was missing: put the value of the header there', undefined),
    says('the idempotency key was signed without its quotes: sign the header as sent', bare),
    says('the idempotency key was signed in quotes: sign the header as sent', `"${bare}"`),
    alone(says('the idempotency key was signed in lower case: sign the header as sent', key.toLowerCase())),
    alone(says('the idempotency key was signed in upper case: sign the header as sent', key.toUpperCase())),
    alone(
      says(
        'the idempotency key was signed with the name of its header: sign the value alone',
        `Idempotency-Key: ${key}`,
      ),
    ),
  ]
}

/** `client`: who the partner takes itself for, if that is known. */
export function clientMistakes(sent: boolean, client: string | undefined): Mistake[] {
  const of = (says: string, signed: (old: string) => string | undefined) =>
    replace('client', place('client'), says, signed)
  const found = [
    of('the line of the client id was empty: put the client id there, "default" if none is sent', () => ''),
    of('the line of the client id was missing: put it between the target and the key', () => undefined),
    of('the client id was signed in lower case: sign X-Client-Id as sent', (old) => old.toLowerCase()),
    of('the client id was signed in upper case: sign X-Client-Id as sent', (old) => old.toUpperCase()),
  ]
  if (sent) {
    const says = 'the client "default" was signed, X-Client-Id says another: sign what X-Client-Id says'
    found.push(of(says, () => 'default'))
  }
  if (client !== undefined) {
    const why = sent ? 'X-Client-Id says another' : 'X-Client-Id was not sent'
    found.push(of(`the client "${client}" was signed, ${why}: send X-Client-Id: ${client}`, () => client))
  }
  return found
}

/** `date`: the value of the Date header, if there is one. */
export function timeMistakes(date: string | undefined): Mistake[] {
  const at = place('time')
  const iso = (text: string) => {
    const ms = Number(text) * (text.length > 11 ? 1 : 1000)
    return Number.isFinite(ms) && ms < 8.64e15 ? new Date(ms).toISOString() : ''
  }
  const asDate = 'the time was signed as a date, not in Unix seconds: sign the digits of t'
  const time = (says: string, signed: (t: string) => string | undefined) => replace('time', at, says, signed)
  return [
    time('the time was signed in milliseconds, t is in seconds: sign the digits of t', (t) => `${t}000`),
    time('the time was signed in seconds, t is in milliseconds: send t in seconds', (t) => t.slice(0, -3)),
    time('the line of the time was missing: put the digits of t there', () => undefined),
    time('the line of the time was empty: put the digits of t there', () => ''),
    time(asDate, iso),
    time(asDate, (t) => iso(t).replace('.000', '')),
    alone(time(asDate, (t) => (iso(t) === '' ? '' : new Date(iso(t)).toUTCString()))),
    ...(date === undefined
      ? []
      : [alone(time('the Date header was signed as the time: sign the digits of t', () => date))]),
    time('the time was signed together with its "t=": sign its digits alone', (t) => `t=${t}`),
    time(
      'the time was signed with decimals (a float), t has none: sign and send whole seconds',
      (t) => `${t}.0`,
    ),
    time('the time was signed in whole seconds, t has decimals: send whole seconds', (t) =>
      t.replace(/\..*/, ''),
    ),
  ]
}

export function lineMistakesOfV1(): Mistake[] {
  const exchange = (says: string, one: V1Field, other: V1Field): Mistake => ({
    axis: 'order',
    says,
    alone: true,
    change: (draft) => ({
      ...draft,
      fields: draft.fields.map((old, i) =>
        i === place(one) ? draft.fields[place(other)] : i === place(other) ? draft.fields[place(one)] : old,
      ),
    }),
  })
  return [
    replace('prefix', place('prefix'), 'the first line, v1, was missing: begin with it', () => undefined),
    alone(replace('prefix', place('prefix'), 'the first line was "v0", it is "v1"', () => 'v0')),
    alone(replace('prefix', place('prefix'), 'the first line was "v1=", it is "v1"', () => 'v1=')),
    exchange('the lines of client and key were exchanged: the client comes first', 'client', 'key'),
    exchange('the lines of time and method were exchanged: the time comes first', 'time', 'method'),
    exchange('the lines of method and target were exchanged: the method comes first', 'method', 'target'),
  ]
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
