import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { test } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { isWeaker, permanentSecret, SCHEMES, toSecret } from '../../internal/signature/client-registry.ts'
import { hmac, sign, stringToSign } from '../../internal/signature/schemes.ts'
import vectors from '../vectors/signature-vectors.json' with { type: 'json' }

assert.equal(vectors.cases.length, 5)

for (const vector of vectors.cases) {
  const { secret, body, timestamp, method, target, client, key } = vector
  test(`the vector "${vector.name}" holds`, () => {
    const bodySha256 = createHash('sha256').update(body).digest('hex')
    assert.equal(bodySha256, vector.body_sha256)
    const text = stringToSign({ timestamp, method, target, client, key, bodySha256 })
    assert.equal(text, vector.string_to_sign)
    assert.equal(hmac(toSecret(secret), Buffer.from(text)).toString('hex'), vector.v1)
    assert.equal(sign({ scheme: 'v0', secret, body }), vector.v0)
    const v1 = sign({ scheme: 'v1', secret, timestamp, method, target, client, key, body })
    assert.equal(v1, `t=${timestamp},v1=${vector.v1}`)
    const bytes = sign({ scheme: 'v0', secret: toSecret(secret), body: Buffer.from(body) })
    assert.equal(bytes, vector.v0)
  })
}

test('hmac is the HMAC-SHA256 of every secret and message', () => {
  const secret = fc.oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 70 }),
    fc.constantFrom('x'.repeat(63), 'x'.repeat(64), 'x'.repeat(65), 'x'.repeat(300)),
  )
  fc.assert(
    fc.property(secret, fc.uint8Array({ maxLength: 300 }), (text, bytes) => {
      const expected = createHmac('sha256', text).update(bytes).digest('hex')
      const [key, data] = [toSecret(text), Buffer.from(bytes)]
      // The second call uses the cached pads.
      for (let i = 0; i < 2; i++) assert.equal(hmac(key, data).toString('hex'), expected)
    }),
    { numRuns: 500 },
  )
})

test('a field with a line break cannot be signed', () => {
  const fields = { timestamp: 1, method: 'GET', target: '/', client: 'acme', key: '', bodySha256: '' }
  for (const name of ['method', 'target', 'client', 'key']) {
    for (const end of ['\n', '\r']) {
      assert.throws(() => stringToSign({ ...fields, [name]: `x${end}y` }), RangeError, name)
    }
  }
})

test('printing a client does not show its secret', () => {
  const client = { id: 'acme', secrets: [permanentSecret('hunter2')] }
  assert.doesNotMatch(inspect(client, { depth: 9, showHidden: true }), /hunter2|68756e74/)
  assert.doesNotMatch(JSON.stringify(client), /hunter2|68756e74/)
})

test('schemes are ordered v0, v1, rfc9421', () => {
  assert.deepEqual(SCHEMES, ['v0', 'v1', 'rfc9421'])
  assert.ok(isWeaker('v0', 'v1') && isWeaker('v1', 'rfc9421') && isWeaker('v0', 'rfc9421'))
  assert.ok(!isWeaker('v1', 'v1') && !isWeaker('v1', 'v0') && !isWeaker('rfc9421', 'v1'))
})
