import { createHash, createHmac, getHashes } from 'node:crypto'
import { alone, type Draft, type Mistake, place, replace, type V1Field } from './mistakes.ts'

type Fields = Record<V1Field, string> & { body: string }

function fieldsOf({ fields, body }: Draft): Fields {
  const of = (field: V1Field) => fields[place(field)] ?? ''
  return {
    prefix: of('prefix'),
    time: of('time'),
    method: of('method'),
    target: of('target'),
    client: of('client'),
    key: of('key'),
    hash: of('hash'),
    body,
  }
}

const SEVEN = 'sign the seven lines of v1'

/** What other services sign, with the time in it. */
const TIMED: [string, (fields: Fields) => string][] = [
  ['time.body was signed, as Stripe does', ({ time, body }) => `${time}.${body}`],
  ['v0:time:body was signed, as Slack does', ({ time, body }) => `v0:${time}:${body}`],
  ['v1:time:body was signed', ({ time, body }) => `v1:${time}:${body}`],
  ['id.time.body was signed, as Standard Webhooks does', ({ time, key, body }) => `${key}.${time}.${body}`],
  ['time and body were signed, joined by nothing', ({ time, body }) => `${time}${body}`],
  ['time:body was signed', ({ time, body }) => `${time}:${body}`],
  ['time and body were signed in two lines', ({ time, body }) => `${time}\n${body}`],
  ['body and time were signed, joined by nothing', ({ time, body }) => `${body}${time}`],
  ['body.time was signed', ({ time, body }) => `${body}.${time}`],
  [
    'time, method, target and body were signed, joined by nothing',
    (of) => `${of.time}${of.method}${of.target}${of.body}`,
  ],
  [
    'method, target, time and body were signed, joined by nothing',
    (of) => `${of.method}${of.target}${of.time}${of.body}`,
  ],
  [
    'method, target, time and body were signed in four lines',
    (of) => `${of.method}\n${of.target}\n${of.time}\n${of.body}`,
  ],
  [
    'method, target, time and hash of the body were signed in four lines',
    (of) => `${of.method}\n${of.target}\n${of.time}\n${of.hash}`,
  ],
  [
    'time, method, target and body were signed in four lines',
    (of) => `${of.time}\n${of.method}\n${of.target}\n${of.body}`,
  ],
  [
    'time, method, target and hash of the body were signed in four lines',
    (of) => `${of.time}\n${of.method}\n${of.target}\n${of.hash}`,
  ],
  [
    'method, target, time, key and body were signed, each with a newline',
    (of) => `${of.method}\n${of.target}\n${of.time}\n${of.key}\n${of.body}\n`,
  ],
  ['time and hash of the body were signed, joined by a dot', ({ time, hash }) => `${time}.${hash}`],
  [
    'client, time and body were signed, joined by nothing',
    ({ client, time, body }) => `${client}${time}${body}`,
  ],
  [
    'client, time and body were signed, joined by dots',
    ({ client, time, body }) => `${client}.${time}.${body}`,
  ],
  [
    'client, time and body were signed, joined by colons',
    ({ client, time, body }) => `${client}:${time}:${body}`,
  ],
  [
    'client, method, target, time, key and body were signed, joined by nothing',
    (of) => `${of.client}${of.method}${of.target}${of.time}${of.key}${of.body}`,
  ],
  ['the whole header was signed with the body', ({ time, body }) => `t=${time},${body}`],
]

const UNTIMED: [string, (fields: Fields) => string][] = [
  ['key and body were signed, joined by nothing', ({ key, body }) => `${key}${body}`],
  ['key.body was signed', ({ key, body }) => `${key}.${body}`],
  ['key:body was signed', ({ key, body }) => `${key}:${body}`],
  ['body and key were signed, joined by nothing', ({ key, body }) => `${body}${key}`],
  [
    'method, target and body were signed, joined by nothing',
    ({ method, target, body }) => `${method}${target}${body}`,
  ],
  [
    'method, target and body were signed in three lines',
    ({ method, target, body }) => `${method}\n${target}\n${body}`,
  ],
  ['target and body were signed, joined by nothing', ({ target, body }) => `${target}${body}`],
  ['client and body were signed, joined by nothing', ({ client, body }) => `${client}${body}`],
  ['the idempotency key alone was signed', ({ key }) => key],
  ['the target alone was signed', ({ target }) => target],
  ['the body was signed in base64', ({ body }) => Buffer.from(body, 'latin1').toString('base64')],
]

function recipe(says: string, advice: string, text: (fields: Fields) => string): Mistake {
  return {
    axis: 'recipe',
    says: `${says}: ${advice}`,
    change: (draft) => ({ ...draft, recipe: (changed) => text(fieldsOf(changed)) }),
  }
}

export function timedRecipes(): Mistake[] {
  return TIMED.map(([says, text]) => recipe(says, SEVEN, text))
}

/** @param scheme of the header that was sent */
export function untimedRecipes(scheme: 'v0' | 'v1'): Mistake[] {
  const advice = scheme === 'v1' ? SEVEN : 'v0 signs the body alone; sign the seven lines of v1'
  return UNTIMED.map(([says, text]) => recipe(says, advice, text))
}

/** The body alone, in a header of v1. */
export function v0AsV1(): Mistake {
  return recipe('a v0 HMAC, over the body alone, was sent as v1', SEVEN, ({ body }) => body)
}

/** Other ways to make a MAC from the secret and the text. `guess`: also such as need no secret. */
export function macMistakes(guess: boolean): Mistake[] {
  const other = (says: string, macOf: NonNullable<Draft['macOf']>): Mistake => ({
    axis: 'algorithm',
    says,
    change: (draft) => ({ ...draft, macOf }),
  })
  const hmac = (hash: string, key: Buffer, text: Buffer | string) =>
    createHmac(hash, key).update(text).digest()
  const digest = (...parts: Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest()
  const hashes = ['sha1', 'sha512', 'sha384', 'sha224', 'md5', 'sha3-256', 'sha512-256'].filter(isAvailable)
  return [
    other(
      'secret and text were exchanged in the call: the secret is the key of the HMAC, the text its data',
      (key, text) => hmac('sha256', text, key),
    ),
    other('SHA-256 of secret and text in a row was sent: use HMAC-SHA256', (key, text) => digest(key, text)),
    other('SHA-256 of text and secret in a row was sent: use HMAC-SHA256', (key, text) => digest(text, key)),
    other('SHA-256 of secret, text and secret was sent: use HMAC-SHA256', (key, text) =>
      digest(key, text, key),
    ),
    other('SHA-256 of text, a dot and the secret was sent: use HMAC-SHA256', (key, text) =>
      digest(text, Buffer.from('.'), key),
    ),
    other('SHA-256 of secret, a colon and text was sent: use HMAC-SHA256', (key, text) =>
      digest(key, Buffer.from(':'), text),
    ),
    other('the HMAC was made over the hex SHA-256 of the text: make it over the text', (key, text) =>
      hmac('sha256', key, digest(text).toString('hex')),
    ),
    other('the HMAC was made over the bytes of the SHA-256 of the text: make it over the text', (key, text) =>
      hmac('sha256', key, digest(text)),
    ),
    other('the HMAC was hashed once more by SHA-256: send the HMAC', (key, text) =>
      digest(hmac('sha256', key, text)),
    ),
    ...hashes.map((hash) =>
      other(`HMAC-${hash.toUpperCase()} was used: use HMAC-SHA256`, (key, text) => hmac(hash, key, text)),
    ),
    ...(guess
      ? [
          other(
            'a SHA-256 without the secret was sent: use HMAC-SHA256 with the secret as its key',
            (_, text) => digest(text),
          ),
        ]
      : []),
  ]
}

/** OpenSSL may be built or configured (FIPS) without some. */
function isAvailable(hash: string): boolean {
  available ??= new Set(getHashes())
  return available.has(hash)
}

let available: Set<string> | undefined

/** The text in other bytes than UTF-8. */
export function encodingMistakes(): Mistake[] {
  const encoded = (says: string, encode: NonNullable<Draft['encode']>): Mistake => ({
    axis: 'encoding',
    says,
    change: (draft) => ({ ...draft, encode }),
  })
  const utf16 = (text: string) => Buffer.from(Buffer.from(text, 'latin1').toString('utf8'), 'utf16le')
  return [
    encoded('the text was signed in UTF-16 (Encoding.Unicode): sign its UTF-8 bytes', utf16),
    encoded(
      'the text was signed in UTF-16, big-endian (getBytes("UTF-16BE")): sign its UTF-8 bytes',
      (text) => utf16(text).swap16(),
    ),
    encoded(
      'the text was signed in UTF-16 with a byte order mark (getBytes("UTF-16")): sign its UTF-8 bytes',
      (text) => Buffer.concat([Buffer.from([0xfe, 0xff]), utf16(text).swap16()]),
    ),
    encoded('the text was signed with a byte order mark in front: sign it without', (text) =>
      Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(text, 'latin1')]),
    ),
    encoded('the text was signed with a zero byte at its end: use its length in bytes', (text) =>
      Buffer.from(`${text}\0`, 'latin1'),
    ),
  ].map(alone)
}

/** The last line of v1: how the hash of the body is written. */
export function bodyHashMistakes(raw: string): Mistake[] {
  const at = place('hash')
  const recode = (encoding: 'base64' | 'base64url') => (hex: string) =>
    Buffer.from(hex, 'hex').toString(encoding)
  const line = (says: string, signed: (hex: string) => string | undefined) =>
    replace('body hash', at, says, signed)
  const hex = 'write it in lower-case hex'
  const rare = (hash: string) =>
    alone(
      line(`the body was hashed by ${hash.toUpperCase()}: use SHA-256`, () =>
        createHash(hash).update(raw, 'latin1').digest('hex'),
      ),
    )
  return [
    replace('body', at, 'the body itself was signed: sign its SHA-256 in lower-case hex', () => raw),
    replace(
      'body',
      at,
      'the line of the SHA-256 of the body was missing: end with it, also without a body',
      () => undefined,
    ),
    replace(
      'body',
      at,
      'the line of the SHA-256 of the body was empty: without a body it is the hash of nothing',
      () => '',
    ),
    line(`the SHA-256 of the body was written in upper case: ${hex}`, (digits) => digits.toUpperCase()),
    line(`the SHA-256 of the body was written in base64: ${hex}`, recode('base64')),
    line(`the SHA-256 of the body was written in base64url: ${hex}`, recode('base64url')),
    line(
      'the SHA-256 of the body was written with "sha256=" in front: write the digits alone',
      (digits) => `sha256=${digits}`,
    ),
    line('the SHA-256 of the body was hashed a second time: hash the body once', (digits) =>
      createHash('sha256').update(digits).digest('hex'),
    ),
    ...['md5', 'sha1', 'sha512'].filter(isAvailable).map(rare),
  ]
}
