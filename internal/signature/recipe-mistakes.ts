import { createHash, createHmac, getHashes } from 'node:crypto'
import { alone, type Draft, lineIndex, type Mistake, replace, type V1Field } from './mistakes.ts'

type Fields = Record<V1Field, string> & { body: string }

function fieldsOf({ fields, body }: Draft): Fields {
  const of = (field: V1Field) => fields[lineIndex(field)] ?? ''
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

/** Recipes of other services that include the time. */
const TIMED: [string, (fields: Fields) => string][] = [
  ['time.body was signed, as Stripe does', ({ time, body }) => `${time}.${body}`],
  ['v0:time:body was signed, as Slack does', ({ time, body }) => `v0:${time}:${body}`],
  ['v1:time:body was signed', ({ time, body }) => `v1:${time}:${body}`],
  ['id.time.body was signed, as Standard Webhooks does', ({ time, key, body }) => `${key}.${time}.${body}`],
  ['time and body were signed, joined without a separator', ({ time, body }) => `${time}${body}`],
  ['time:body was signed', ({ time, body }) => `${time}:${body}`],
  ['time and body were signed in two lines', ({ time, body }) => `${time}\n${body}`],
  ['body and time were signed, joined without a separator', ({ time, body }) => `${body}${time}`],
  ['body.time was signed', ({ time, body }) => `${body}.${time}`],
  [
    'time, method, target and body were signed, joined without a separator',
    (of) => `${of.time}${of.method}${of.target}${of.body}`,
  ],
  [
    'method, target, time and body were signed, joined without a separator',
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
    'client, time and body were signed, joined without a separator',
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
    'client, method, target, time, key and body were signed, joined without a separator',
    (of) => `${of.client}${of.method}${of.target}${of.time}${of.key}${of.body}`,
  ],
  ['the whole header was signed with the body', ({ time, body }) => `t=${time},${body}`],
]

const UNTIMED: [string, (fields: Fields) => string][] = [
  ['key and body were signed, joined without a separator', ({ key, body }) => `${key}${body}`],
  ['key.body was signed', ({ key, body }) => `${key}.${body}`],
  ['key:body was signed', ({ key, body }) => `${key}:${body}`],
  ['body and key were signed, joined without a separator', ({ key, body }) => `${body}${key}`],
  [
    'method, target and body were signed, joined without a separator',
    ({ method, target, body }) => `${method}${target}${body}`,
  ],
  [
    'method, target and body were signed in three lines',
    ({ method, target, body }) => `${method}\n${target}\n${body}`,
  ],
  ['target and body were signed, joined without a separator', ({ target, body }) => `${target}${body}`],
  ['client and body were signed, joined without a separator', ({ client, body }) => `${client}${body}`],
  ['only the idempotency key was signed', ({ key }) => key],
  ['only the target was signed', ({ target }) => target],
  ['the body was signed in base64', ({ body }) => Buffer.from(body, 'latin1').toString('base64')],
]

function recipe(hint: string, advice: string, text: (fields: Fields) => string): Mistake {
  return {
    axis: 'recipe',
    hint: `${hint}: ${advice}`,
    change: (draft) => ({ ...draft, recipe: (changed) => text(fieldsOf(changed)) }),
  }
}

export function timedRecipes(): Mistake[] {
  return TIMED.map(([hint, text]) => recipe(hint, SEVEN, text))
}

/** @param scheme of the header that was sent */
export function untimedRecipes(scheme: 'v0' | 'v1'): Mistake[] {
  const advice = scheme === 'v1' ? SEVEN : 'v0 signs only the body; sign the seven lines of v1'
  return UNTIMED.map(([hint, text]) => recipe(hint, advice, text))
}

/** An HMAC over only the body, in a v1 header. */
export function v0AsV1(): Mistake {
  return recipe('a v0 HMAC, over only the body, was sent as v1', SEVEN, ({ body }) => body)
}

/** Other ways to compute a MAC from the secret and the text. `guess`: includes ways that need no secret. */
export function macMistakes(guess: boolean): Mistake[] {
  const other = (hint: string, macOf: NonNullable<Draft['macOf']>): Mistake => ({
    axis: 'algorithm',
    hint,
    change: (draft) => ({ ...draft, macOf }),
  })
  const hmac = (hash: string, key: Buffer, text: Buffer | string) =>
    createHmac(hash, key).update(text).digest()
  const digest = (...parts: Buffer[]) => createHash('sha256').update(Buffer.concat(parts)).digest()
  const hashes = ['sha1', 'sha512', 'sha384', 'sha224', 'md5', 'sha3-256', 'sha512-256'].filter(isAvailable)
  return [
    other(
      'secret and text were swapped in the call: the secret is the key of the HMAC, the text its data',
      (key, text) => hmac('sha256', text, key),
    ),
    other('SHA-256 of secret and text, concatenated, was sent: use HMAC-SHA256', (key, text) =>
      digest(key, text),
    ),
    other('SHA-256 of text and secret, concatenated, was sent: use HMAC-SHA256', (key, text) =>
      digest(text, key),
    ),
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
    other('the HMAC was hashed again with SHA-256: send the HMAC itself', (key, text) =>
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

/** OpenSSL may be built or configured (FIPS) without some hash functions. */
function isAvailable(hash: string): boolean {
  available ??= new Set(getHashes())
  return available.has(hash)
}

let available: Set<string> | undefined

/** The text in another encoding than UTF-8. */
export function encodingMistakes(): Mistake[] {
  const encoded = (hint: string, encode: NonNullable<Draft['encode']>): Mistake => ({
    axis: 'encoding',
    hint,
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
    encoded('the text was signed with a byte order mark before it: sign the text without one', (text) =>
      Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(text, 'latin1')]),
    ),
    encoded('the text was signed with a zero byte at its end: use its length in bytes', (text) =>
      Buffer.from(`${text}\0`, 'latin1'),
    ),
  ].map(alone)
}

/** Mistakes in the last line of v1, the hash of the body. */
export function bodyHashMistakes(raw: string): Mistake[] {
  const at = lineIndex('hash')
  const recode = (encoding: 'base64' | 'base64url') => (hex: string) =>
    Buffer.from(hex, 'hex').toString(encoding)
  const line = (hint: string, signed: (hex: string) => string | undefined) =>
    replace('body hash', at, hint, signed)
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
      'the line of the SHA-256 of the body was missing: add it as the last line, also without a body',
      () => undefined,
    ),
    replace(
      'body',
      at,
      'the line of the SHA-256 of the body was empty: without a body it is the hash of zero bytes',
      () => '',
    ),
    line(`the SHA-256 of the body was written in upper case: ${hex}`, (digits) => digits.toUpperCase()),
    line(`the SHA-256 of the body was written in base64: ${hex}`, recode('base64')),
    line(`the SHA-256 of the body was written in base64url: ${hex}`, recode('base64url')),
    line(
      'the SHA-256 of the body was written with "sha256=" before it: write only the digits',
      (digits) => `sha256=${digits}`,
    ),
    line('the SHA-256 of the body was hashed a second time: hash the body once', (digits) =>
      createHash('sha256').update(digits).digest('hex'),
    ),
    ...['md5', 'sha1', 'sha512'].filter(isAvailable).map(rare),
  ]
}
