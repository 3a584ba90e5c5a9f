import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { test } from 'node:test'
import { WireBody } from '../../internal/core/request-state.ts'
import { toSecret } from '../../internal/signature/client-registry.ts'
import { explain, hintFor } from '../../internal/signature/explain.ts'
import { registryOf } from '../support/signed-request.ts'
import vectors from '../vectors/signing-mistakes.json' with { type: 'json' }

type Vector = (typeof vectors.cases)[number]

function bytesOf(text: string | undefined, hex: string | undefined): Buffer {
  return hex === undefined ? Buffer.from(text ?? '', 'utf8') : Buffer.from(hex, 'hex')
}

function digestOf({ algorithm, key, key_hex, text, text_hex }: Vector['made']): Buffer {
  const [secret, data] = [bytesOf(key, key_hex), bytesOf(text, text_hex)]
  const [, hash] = /^HMAC-(.*)$/.exec(algorithm) ?? []
  const name = (hash ?? 'SHA-256').replace('SHA-', 'sha').toLowerCase()
  if (hash !== undefined) return createHmac(name, secret).update(data).digest()
  const parts: Record<string, Buffer[]> = {
    'SHA-256 of key and text': [secret, data],
    'SHA-256 of text and key': [data, secret],
    'SHA-256 of text': [data],
    'SHA-256 of HMAC-SHA-256': [createHmac('sha256', secret).update(data).digest()],
  }
  const hashed = parts[algorithm]
  assert.ok(hashed !== undefined, algorithm)
  return createHash('sha256').update(Buffer.concat(hashed)).digest()
}

const WRITTEN: Record<string, (mac: Buffer) => string> = {
  hex: (mac) => mac.toString('hex'),
  base64: (mac) => mac.toString('base64'),
  'hex of hex': (mac) => Buffer.from(mac.toString('hex')).toString('hex'),
  'base64 of hex': (mac) => Buffer.from(mac.toString('hex')).toString('base64'),
  'hex with dashes': (mac) => (mac.toString('hex').toUpperCase().match(/../g) ?? []).join('-'),
  'hex without zeros': (mac) => [...mac].map((byte) => byte.toString(16)).join(''),
  'first 32 hex digits': (mac) => mac.toString('hex').slice(0, 32),
}

function received({ method, target, headers, body }: Vector['request']) {
  const wire = (text: string) => Buffer.from(text, 'utf8').toString('latin1')
  return { method, target, rawHeaders: headers.flat().map(wire), body: new WireBody(Buffer.from(body)) }
}

for (const { name, secret, request, made, code, says } of vectors.cases) {
  test(`a wrong signature is explained: ${name}`, () => {
    const digits = WRITTEN[made.written]?.(digestOf(made))
    assert.ok(
      request.headers.some(([, value]) => value?.includes(digits ?? '-')),
      'the vector has the signature that it describes',
    )
    const settings = { toleranceMs: 300_000, nowMs: vectors.now * 1_000 }
    const result = explain(received(request), [toSecret(secret)], settings)
    assert.deepEqual({ code: result.code, says: result.mistakes }, { code, says })
  })
}

test('there are at least 60 recipes, and ten with two mistakes', () => {
  const said = new Set(vectors.cases.flatMap(({ says }) => says))
  assert.ok(said.size >= 60, String(said.size))
  assert.ok(vectors.cases.filter(({ says }) => says.length > 1).length >= 10)
  for (const text of said) assert.match(text, /[:.,] [a-zA-Z"]/, 'it says what to do')
})

const HINTED = [
  'recipe: time.body (Stripe)',
  'header: X-Hub-Signature-256',
  'mac: secret and text swapped',
  'two: time.body, and newline behind the body',
]

test('a hint names the recipe only to the client with this secret', () => {
  for (const { name, secret, request, says } of vectors.cases.filter((vector) =>
    HINTED.includes(vector.name),
  )) {
    const hint = (known: string) =>
      hintFor(received(request), registryOf({ acme: { secrets: [known] } }), vectors.now * 1_000)
    assert.equal(hint(secret), says.join('; '), name)
    assert.equal(hint(`${secret}x`), undefined, name)
  }
})

test('there is no hint for a signature that can be made without the secret or with a guessable part of it', () => {
  const settings = { toleranceMs: 300_000, nowMs: vectors.now * 1_000 }
  const guesses = vectors.cases.filter(({ name }) =>
    ['secret: undefined', 'secret: empty', 'mac: SHA-256 of the body, as v0'].includes(name),
  )
  assert.equal(guesses.length, 3)
  for (const { name, secret, request } of guesses) {
    const registry = registryOf({ acme: { secrets: [secret] } })
    assert.equal(hintFor(received(request), registry, vectors.now * 1_000), undefined, name)
  }
  const body = new WireBody(Buffer.from('{"amount":500}'))
  const mac = createHmac('sha256', 'acme').update(body.bytes).digest('hex')
  const request = {
    method: 'POST',
    target: '/orders',
    rawHeaders: ['X-Client-Id', 'acme', 'X-Signature', mac],
    body,
  }
  const registry = registryOf({ acme: { secrets: ['acme#c29tZSBzZWNyZXQ'] } })
  assert.match(explain(request, [toSecret('acme#c29tZSBzZWNyZXQ')], settings).mistakes.join(), /cut at a #/)
  assert.equal(hintFor(request, registry, vectors.now * 1_000), undefined)
})

/** Recipes that partners were seen to use, by the name of the vector. */
const SEEN = [
  'body: newline of echo',
  'body: CR LF at its end',
  'body: byte order mark signed',
  'body: byte order mark sent, not signed',
  'body: Latin-1',
  'body: UTF-16',
  'body: JSON of Python',
  'body: JSON of PHP',
  'body: JSON of Go',
  'body: JSON of .NET',
  'body: pretty JSON',
  'body: a form',
  'target: query missing',
  'target: empty query signed and dropped',
  'target: decoded',
  'target: escapes in lower case',
  'target: merged slashes',
  'target: prefix that a proxy took away',
  'target: unusual prefix, named by the proxy',
  'method: HEAD that became GET',
  'rfc9421: @authority before a proxy',
  'key: empty',
  'time: milliseconds signed',
  'time: decimals signed and sent',
  'time: decimals signed, not sent',
  'recipe: time.body (Stripe)',
  'recipe: v0:time:body (Slack)',
  'recipe: id.time.body (Standard Webhooks)',
  'mac: secret and text swapped',
  'mac: secret and body swapped, as v0',
  'mac: SHA-256 of secret and body, as v0',
  'mac: SHA-256 of body and secret, as v0',
  'mac: over the hex hash of the body, as v0',
  'mac: SHA-1',
  'mac: SHA-512',
  'secret: newline',
  'secret: CR',
  'secret: whsec_ decoded',
  'secret: whsec_ taken off',
  'header: sha256=',
  'header: output of openssl',
  'header: base64',
]

test('all 42 recipes that partners were seen to use are named', () => {
  assert.equal(new Set(SEEN).size, 42)
  const named = SEEN.filter((name) =>
    vectors.cases.some(
      (one) => one.name === name && one.says.length > 0 && !/another secret/i.test(one.says.join()),
    ),
  )
  assert.deepEqual(named, SEEN)
})
