import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import { toSecret } from '../../internal/signature/client-registry.ts'
import { hmac, sign } from '../../internal/signature/schemes.ts'
import { type SignedRequest, type Verdict, verify } from '../../internal/signature/verify.ts'
import { type Intent, ORDER, registryOf, SIGNED_AT, signV1, toRequest } from '../support/signed-request.ts'
import vectors from '../vectors/signature-vectors.json' with { type: 'json' }

const SETTINGS = { minScheme: 'v0', toleranceMs: 300_000 } as const
const NOW = SIGNED_AT * 1000
const CLIENTS = registryOf({
  default: { secrets: ['super-secret-key'] },
  acme: { secrets: ['acme-1', 'acme-2', 'acme-3'] },
  zeta: { secrets: ['zeta-1'] },
  strict: { secrets: ['strict-1'], minScheme: 'v1' },
  lenient: { secrets: ['lenient-1'], minScheme: 'v0' },
  modern: { secrets: ['modern-1'], minScheme: 'rfc9421' },
})

function check(request: SignedRequest, overrides: { minScheme?: 'v0' | 'v1'; nowMs?: number } = {}): Verdict {
  const settings = { ...SETTINGS, minScheme: overrides.minScheme ?? SETTINGS.minScheme }
  return verify(request, CLIENTS, settings, overrides.nowMs ?? NOW)
}

/** A request whose signature was made for another request. */
function tampered(change: Partial<Intent>, secret = 'acme-1'): Verdict {
  return check(toRequest({ ...ORDER, ...change }, signV1(secret, ORDER)))
}

function codeOf(verdict: Verdict): string {
  return verdict.ok ? 'ok' : verdict.code
}

for (const vector of vectors.cases) {
  test(`the vector "${vector.name}" is accepted in v1, and in v0 if it has a body`, () => {
    const registry = registryOf({ [vector.client]: { secrets: [vector.secret] } })
    const v1 = toRequest(vector, `t=${vector.timestamp},v1=${vector.v1}`)
    assert.deepEqual(verify(v1, registry, SETTINGS, NOW), { ok: true, client: vector.client, scheme: 'v1' })
    const v0 = verify(toRequest(vector, vector.v0), registry, SETTINGS, NOW)
    assert.equal(codeOf(v0), vector.body === '' ? 'scheme_not_allowed' : 'ok')
  })
}

test('a request is accepted, also with upper-case hex', () => {
  const signature = signV1('acme-1', ORDER)
  assert.deepEqual(check(toRequest(ORDER, signature)), { ok: true, client: 'acme', scheme: 'v1' })
  const upper = signature.replace(/[0-9a-f]{64}/, (hex) => hex.toUpperCase())
  assert.notEqual(upper, signature)
  assert.equal(codeOf(check(toRequest(ORDER, upper))), 'ok')
  const v0 = sign({ scheme: 'v0', secret: 'acme-1', body: ORDER.body })
  assert.deepEqual(check(toRequest(ORDER, v0.toUpperCase())), { ok: true, client: 'acme', scheme: 'v0' })
})

test('without X-Client-Id the client is default', () => {
  const intent = { ...ORDER, client: undefined }
  const verdict = check(toRequest(intent, signV1('super-secret-key', intent)))
  assert.deepEqual(verdict, { ok: true, client: 'default', scheme: 'v1' })
})

test('without Idempotency-Key, the key line is the value of X-Idempotency-Key', () => {
  const named = (signed: string, ...headers: string[]) => {
    const request = toRequest({ ...ORDER, key: '' }, signV1('acme-1', { ...ORDER, key: signed }))
    return codeOf(check({ ...request, rawHeaders: [...request.rawHeaders, ...headers] }))
  }
  assert.equal(named('a', 'X-Idempotency-Key', 'a'), 'ok')
  assert.equal(named('a', 'X-Idempotency-Key', 'b', 'Idempotency-Key', 'a'), 'ok', 'the first names it')
  assert.equal(named('a, b', 'X-Idempotency-Key', 'a', 'x-idempotency-key', 'b'), 'ok')
  assert.equal(named('', 'X-Idempotency-Key', 'a'), 'signature_invalid')
  assert.equal(named('a', 'X-Idempotency-Key', 'b'), 'signature_invalid')
  assert.equal(named('b', 'X-Idempotency-Key', 'b', 'Idempotency-Key', 'a'), 'signature_invalid')
})

test('each active secret is accepted, at any position', () => {
  for (const secret of ['acme-1', 'acme-2', 'acme-3']) {
    assert.equal(codeOf(check(toRequest(ORDER, signV1(secret, ORDER)))), 'ok', secret)
    const v0 = sign({ scheme: 'v0', secret, body: ORDER.body })
    assert.equal(codeOf(check(toRequest(ORDER, v0))), 'ok', secret)
  }
})

test('one valid mac of three is enough, at any position', () => {
  const [, good = ''] = signV1('acme-2', ORDER).split(',')
  const bad = `v1=${'00'.repeat(32)}`
  for (const list of [
    [good, bad, bad],
    [bad, good, bad],
    [bad, bad, good],
  ]) {
    assert.equal(codeOf(check(toRequest(ORDER, `t=${SIGNED_AT},${list.join()}`))), 'ok')
  }
  assert.equal(codeOf(check(toRequest(ORDER, `t=${SIGNED_AT},${bad},${bad},${bad}`))), 'signature_invalid')
})

const CHANGES: Record<string, Partial<Intent>> = {
  'another method': { method: 'PUT' },
  'another path': { target: '/order?dry_run=1' },
  'another query': { target: '/orders?dry_run=0' },
  'no query': { target: '/orders' },
  'an escaped path': { target: '/%6frders?dry_run=1' },
  'another body': { body: '{"user_id":"user-1","item":"book","amount":501}' },
  'a re-serialised body': { body: '{ "user_id":"user-1","item":"book","amount":500}' },
  'a trailing newline': { body: `${ORDER.body}\n` },
  'no body': { body: '' },
  'another key': { key: 'key-002' },
  'no key': { key: '' },
  'a quoted key': { key: '"key-001"' },
  'another client': { client: 'zeta' },
  'no client': { client: undefined },
  'a client in another case': { client: 'ACME' },
  'a boundary shifted from client to key': { client: 'acm', key: 'ekey-001' },
  'a boundary shifted from target to client': { target: '/orders?dry_run=', client: '1acme' },
  'a boundary shifted from method to target': { method: 'POS', target: 'T/orders?dry_run=1' },
}

for (const [name, change] of Object.entries(CHANGES)) {
  test(`${name} than the signed one is refused`, () => {
    assert.equal(codeOf(tampered(change)), 'signature_invalid')
  })
}

test('a changed timestamp is refused', () => {
  const signature = signV1('acme-1', ORDER).replace(`t=${SIGNED_AT}`, `t=${SIGNED_AT + 1}`)
  assert.equal(codeOf(check(toRequest(ORDER, signature))), 'signature_invalid')
})

test('a field with a line break is refused even with a matching signature', () => {
  for (const field of ['method', 'target', 'key'] as const) {
    const intent = { ...ORDER, [field]: `${ORDER[field]}\nx` }
    const request = toRequest(intent)
    const lines = ['v1', SIGNED_AT, intent.method, intent.target, 'acme', intent.key, request.body.sha256]
    const mac = createHmac('sha256', 'acme-1').update(lines.join('\n')).digest('hex')
    request.rawHeaders = [...request.rawHeaders, 'X-Signature', `t=${SIGNED_AT},v1=${mac}`]
    assert.equal(codeOf(check(request)), 'signature_invalid', field)
  }
})

test('a v1 signature is not accepted as a v0 signature over its string to sign', () => {
  const [, mac = ''] = signV1('acme-1', ORDER).split(',v1=')
  const { sha256 } = toRequest(ORDER).body
  const body = `v1\n${SIGNED_AT}\nPOST\n${ORDER.target}\nacme\n${ORDER.key}\n${sha256}`
  assert.equal(sign({ scheme: 'v0', secret: 'acme-1', body }), mac)
  assert.equal(codeOf(check(toRequest({ ...ORDER, body }, mac))), 'signature_invalid')
})

test('a v0 signature is not accepted as v1, and a v1 signature not as v0', () => {
  const v0 = sign({ scheme: 'v0', secret: 'acme-1', body: ORDER.body })
  assert.equal(codeOf(check(toRequest(ORDER, `t=${SIGNED_AT},v1=${v0}`))), 'signature_invalid')
  const [, v1 = ''] = signV1('acme-1', ORDER).split(',v1=')
  assert.equal(codeOf(check(toRequest(ORDER, v1))), 'signature_invalid')
})

test('a key in UTF-8 is signed as the bytes that are sent', () => {
  const intent = { ...ORDER, key: 'clé', target: '/orders?note=é' }
  assert.equal(codeOf(check(toRequest(intent, signV1('acme-1', intent)))), 'ok')
})

test('repeated key headers are signed as one value, joined as HTTP joins them', () => {
  const intent = { ...ORDER, key: 'a, b' }
  const request = toRequest({ ...ORDER, key: '' }, signV1('acme-1', intent))
  request.rawHeaders = [...request.rawHeaders, 'Idempotency-Key', 'a', 'idempotency-key', 'b']
  assert.equal(codeOf(check(request)), 'ok')
  request.rawHeaders = [...request.rawHeaders, 'Idempotency-Key', 'c']
  assert.equal(codeOf(check(request)), 'signature_invalid')
})

test('an unknown client, a wrong signature and another secret give the same bytes', () => {
  const refusals = (schemeSign: (secret: string, intent: Intent) => string) => [
    check(toRequest(ORDER, schemeSign('wrong', ORDER))),
    check(toRequest(ORDER, schemeSign('zeta-1', ORDER))),
    ...[
      'zeta',
      'strict',
      'modern',
      'nobody',
      '__proto__',
      '',
      ' ',
      'a b',
      'x'.repeat(65),
      'ä',
      'acme,zeta',
    ].map((client) => {
      const intent = { ...ORDER, client }
      return check(toRequest(intent, schemeSign('wrong', intent)))
    }),
  ]
  const v0 = (secret: string, { body }: Intent) => sign({ scheme: 'v0', secret, body })
  for (const schemeSign of [signV1, v0]) {
    const responses = refusals(schemeSign).map((verdict) => JSON.stringify(verdict))
    assert.equal(new Set(responses).size, 1, responses.join('\n'))
    assert.match(responses[0] ?? '', /"code":"signature_invalid"/)
  }
})

test('a repeated X-Client-Id is an unknown client, also with equal values', () => {
  const request = toRequest(ORDER, signV1('acme-1', ORDER))
  request.rawHeaders = [...request.rawHeaders, 'x-client-id', 'acme']
  const unknown = check(toRequest({ ...ORDER, client: 'nobody' }, signV1('acme-1', ORDER)))
  assert.deepEqual(check(request), unknown)
})

test('an empty X-Client-Id is not default', () => {
  const intent = { ...ORDER, client: '' }
  const signature = signV1('super-secret-key', { ...ORDER, client: 'default' })
  assert.equal(codeOf(check(toRequest(intent, signature))), 'signature_invalid')
  const empty = sign({ scheme: 'v0', secret: 'super-secret-key', body: ORDER.body })
  assert.equal(codeOf(check(toRequest(intent, empty))), 'signature_invalid')
})

test('a signature with the decoy secret is not accepted', () => {
  for (const client of ['zeta', 'nobody']) {
    const intent = { ...ORDER, client }
    assert.equal(codeOf(check(toRequest(intent, signV1('decoy', intent)))), 'signature_invalid')
  }
})

test('every refusal costs three HMACs: an unknown client takes as long as a wrong signature', () => {
  // A body of 256 KiB makes the HMACs dominate; the minimum of many runs removes noise.
  const body = Buffer.alloc(262_144, 'x')
  const wrong = '00'.repeat(32)
  const fastest = { nobody: Infinity, zeta: Infinity, acme: Infinity, reference: Infinity }
  const secret = toSecret('reference')
  const time = (name: keyof typeof fastest, work: () => void) => {
    const start = process.hrtime.bigint()
    work()
    fastest[name] = Math.min(fastest[name], Number(process.hrtime.bigint() - start))
  }
  for (let round = 0; round < 60; round++) {
    for (const client of ['nobody', 'zeta', 'acme'] as const) {
      const request = toRequest({ ...ORDER, client, body }, wrong)
      time(client, () => assert.equal(codeOf(check(request)), 'signature_invalid'))
    }
    time('reference', () => {
      for (let i = 0; i < 3; i++) hmac(secret, body)
    })
  }
  for (const client of ['nobody', 'zeta', 'acme'] as const) {
    const ratio = fastest[client] / fastest.reference
    assert.ok(ratio > 0.8 && ratio < 1.2, `${client} takes ${ratio} of three HMACs`)
  }
})

test('a timestamp is accepted up to the tolerance and not a second more, in both directions', () => {
  for (const [offset, expected] of [
    [-301, 'timestamp_out_of_range'],
    [-300, 'ok'],
    [0, 'ok'],
    [300, 'ok'],
    [301, 'timestamp_out_of_range'],
  ] as const) {
    const intent = { ...ORDER, timestamp: SIGNED_AT + offset }
    const request = toRequest(intent, signV1('acme-1', intent))
    assert.equal(codeOf(check(request)), expected, `${offset} s`)
    assert.equal(codeOf(check(request, { nowMs: NOW + 999 })), expected, `${offset} s late in the second`)
  }
})

test('the response to a timestamp out of range has our clock, and is the same for every client', () => {
  const responses = ['acme', 'nobody', 'a b'].map((client) => {
    const intent = { ...ORDER, client, timestamp: SIGNED_AT * 1000 }
    return check(toRequest(intent, `t=${intent.timestamp},v1=${'00'.repeat(32)}`))
  })
  for (const response of responses) assert.deepEqual(response, responses[0])
  const [first] = responses
  assert.ok(first && !first.ok && first.code === 'timestamp_out_of_range')
  assert.match(first.detail, /1767225600/)
  assert.match(first.detail, /300 s/)
})

test('no signature gives signature_missing, a malformed one signature_invalid; both say what to send', () => {
  for (const [signatures, code] of [
    [[], 'signature_missing'],
    [[''], 'signature_invalid'],
    [['t=NaN,v1=00'], 'signature_invalid'],
  ] as const) {
    const verdict = check(toRequest(ORDER, ...signatures))
    assert.ok(!verdict.ok)
    assert.equal(verdict.code, code)
    assert.match(verdict.detail, /X-Signature: t=<Unix seconds>,v1=<64 hex digits>/)
  }
})

test('a scheme weaker than the client or the service allows is refused, but only with a valid signature', () => {
  const v0 = (client: string, secret: string, minScheme: 'v0' | 'v1') =>
    codeOf(check(toRequest({ ...ORDER, client }, sign({ ...ORDER, scheme: 'v0', secret })), { minScheme }))
  assert.equal(v0('acme', 'acme-1', 'v0'), 'ok')
  assert.equal(v0('acme', 'acme-1', 'v1'), 'scheme_not_allowed')
  assert.equal(v0('strict', 'strict-1', 'v0'), 'scheme_not_allowed')
  assert.equal(v0('lenient', 'lenient-1', 'v1'), 'ok')
  assert.equal(v0('acme', 'wrong', 'v1'), 'signature_invalid')
  assert.equal(v0('strict', 'wrong', 'v0'), 'signature_invalid')
  assert.equal(v0('nobody', 'strict-1', 'v1'), 'signature_invalid')
  const v1 = (client: string, secret: string) => {
    const intent = { ...ORDER, client }
    return codeOf(check(toRequest(intent, signV1(secret, intent)), { minScheme: 'v1' }))
  }
  assert.equal(v1('strict', 'strict-1'), 'ok')
  assert.equal(v1('lenient', 'lenient-1'), 'ok')
  assert.equal(v1('modern', 'modern-1'), 'scheme_not_allowed')
  assert.equal(v1('modern', 'wrong'), 'signature_invalid')
})

test('v0 without a body is refused, but only with a valid signature', () => {
  const intent = { ...ORDER, body: '' }
  const signed = (secret: string) =>
    codeOf(check(toRequest(intent, sign({ ...intent, scheme: 'v0', secret }))))
  assert.equal(signed('acme-1'), 'scheme_not_allowed')
  assert.equal(signed('wrong'), 'signature_invalid')
})
