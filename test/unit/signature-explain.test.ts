import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { test } from 'node:test'
import { WireBody } from '../../internal/core/request-state.ts'
import { toSecret } from '../../internal/signature/client-registry.ts'
import { explain, hintFor } from '../../internal/signature/explain.ts'
import { signedHeaders } from '../../internal/signature/sign-request.ts'
import type { SignedRequest } from '../../internal/signature/verify.ts'
import { type Intent, ORDER, registryOf, SIGNED_AT, signV1, toRequest } from '../support/signed-request.ts'

const SECRET = 'c2VjcmV0LW9mLWFjbWU='
const SETTINGS = { toleranceMs: 300_000, nowMs: SIGNED_AT * 1000 }
const BODY = '{"user_id":"user-1","item":"Käse/7","amount":500}'
const INTENT: Intent = { ...ORDER, target: '/v1/orders/a%20b?y=2&x=1', body: BODY }
const PATH = '/v1/orders/a%20b'

function hmacHex(secret: string | Buffer, data: string | Buffer, hash = 'sha256'): string {
  return createHmac(hash, secret).update(data).digest('hex')
}

function sha256(data: string): string {
  return createHash('sha256').update(data).digest('hex')
}

const LINES = ['v1', String(SIGNED_AT), 'POST', INTENT.target, 'acme', 'key-001', sha256(BODY)]

/** A v1 header over the correct lines, with some of them replaced, or with another secret. */
function v1(
  change: Record<number, string> = {},
  { secret = SECRET as string | Buffer, separator = '\n', end = '' } = {},
): string {
  return `t=${SIGNED_AT},v1=${hmacHex(secret, LINES.map((line, i) => change[i] ?? line).join(separator) + end)}`
}

function without(place: number): string {
  return `t=${SIGNED_AT},v1=${hmacHex(SECRET, LINES.filter((_, i) => i !== place).join('\n'))}`
}

const right = v1()
const hex = right.slice(-64)
const json: unknown = JSON.parse(BODY)
const python = '{"user_id": "user-1", "item": "K\\u00e4se/7", "amount": 500}'

/** The header that was sent with the request, and the expected explanation. */
const V1: Record<string, [string, RegExp]> = {
  'a newline after the body': [v1({ 6: sha256(`${BODY}\n`) }), /body was signed with a newline at its end/],
  'pretty-printed JSON': [v1({ 6: sha256(JSON.stringify(json, null, 2)) }), /indented by 2 spaces/],
  'pretty-printed JSON with a newline': [
    v1({ 6: sha256(`${JSON.stringify(json, null, 4)}\n`) }),
    /4 spaces.* newline/,
  ],
  'JSON of Python': [v1({ 6: sha256(python) }), /json.dumps of Python/],
  'JSON of Python, not escaped': [v1({ 6: sha256(python.replace('\\u00e4', 'ä')) }), /json.dumps of Python/],
  'JSON of PHP': [v1({ 6: sha256(BODY.replace('ä', '\\u00e4').replace('/', '\\/')) }), /json_encode of PHP/],
  'sorted JSON': [v1({ 6: sha256('{"amount":500,"item":"Käse/7","user_id":"user-1"}') }), /sorted keys/],
  'the hash of an empty body': [v1({ 6: sha256('') }), /an empty body was signed/],
  'the body itself': [v1({ 6: BODY }), /body itself was signed/],
  'no line for the body': [without(6), /line of the SHA-256 of the body was missing/],
  'a hash in upper case': [v1({ 6: sha256(BODY).toUpperCase() }), /SHA-256 of the body .* upper case/],
  'a hash in base64': [
    v1({ 6: Buffer.from(sha256(BODY), 'hex').toString('base64') }),
    /SHA-256 of the body .* base64/,
  ],
  'no query': [v1({ 3: PATH }), /query was not signed/],
  'sorted parameters': [v1({ 3: `${PATH}?x=1&y=2` }), /sorted parameters/],
  'a slash at the end of the path': [v1({ 3: `${PATH}/?y=2&x=1` }), /slash at its end/],
  'no first slash': [v1({ 3: INTENT.target.slice(1) }), /without its first slash/],
  'a decoded path': [v1({ 3: '/v1/orders/a b?y=2&x=1' }), /decoded/],
  'a path without its start': [
    v1({ 3: '/orders/a%20b?y=2&x=1' }),
    /start of the path, "\/v1", was not signed/,
  ],
  'the host in the path': [
    v1({ 3: `https://localhost${INTENT.target}` }),
    /host was signed in front of the path/,
  ],
  'the host and no query': [v1({ 3: `http://localhost${PATH}` }), /host was signed .* query was not/],
  'a method in lower case': [v1({ 2: 'post' }), /method was signed in lower case/],
  'another method': [v1({ 2: 'PUT' }), /method PUT was signed/],
  'an empty key': [v1({ 5: '' }), /idempotency key was empty/],
  'no line for the key': [without(5), /line of the idempotency key was missing/],
  'a key in quotes': [v1({ 5: '"key-001"' }), /key was signed in quotes/],
  'an empty client id': [v1({ 4: '' }), /line of the client id was empty/],
  'no line for the client id': [without(4), /line of the client id was missing/],
  'another client': [v1({ 4: 'default' }), /client "default" was signed/],
  'milliseconds in the string': [v1({ 1: `${SIGNED_AT}000` }), /time was signed in milliseconds/],
  'a date in the string': [v1({ 1: '2026-01-01T00:00:00Z' }), /signed as a date/],
  'no line for the time': [without(1), /line of the time was missing/],
  'no first line': [without(0), /first line, v1, was missing/],
  'a newline at the end of the string': [v1({}, { end: '\n' }), /string to sign had a newline at its end/],
  'lines joined by CR LF': [v1({}, { separator: '\r\n' }), /CR LF/],
  'lines joined by a literal \\n': [v1({}, { separator: '\\n' }), /backslash and an n/],
  'lines joined without a separator': [v1({}, { separator: '' }), /joined without a separator/],
  'a secret with a newline': [v1({}, { secret: `${SECRET}\n` }), /secret was used with a newline/],
  'a secret in quotes': [v1({}, { secret: `"${SECRET}"` }), /secret was used with its quotes/],
  'a base64-decoded secret': [v1({}, { secret: Buffer.from(SECRET, 'base64') }), /secret was base64-decoded/],
  'an empty secret': [v1({}, { secret: '' }), /secret was empty/],
  'a v0 HMAC sent as v1': [`t=${SIGNED_AT},v1=${hmacHex(SECRET, BODY)}`, /v0 HMAC/],
  'a v1 HMAC without its time': [hex, new RegExp(`sent without that time: send t=${SIGNED_AT}`)],
  'base64 instead of hex': [
    `t=${SIGNED_AT},v1=${Buffer.from(hex, 'hex').toString('base64')}`,
    /base64: send it in hex/,
  ],
  'hex of hex': [`t=${SIGNED_AT},v1=${Buffer.from(hex).toString('hex')}`, /hex-encoded a second time/],
  'base64 of hex': [
    `t=${SIGNED_AT},v1=${Buffer.from(hex).toString('base64')}`,
    /hex digits of the HMAC were base64/,
  ],
  'HMAC-SHA512': [`t=${SIGNED_AT},v1=${hmacHex(SECRET, LINES.join('\n'), 'sha512')}`, /HMAC-SHA512 was used/],
  'a space in the header': [right.replace(',', ', '), /exactly t=/],
  'the members of the header swapped': [`v1=${hex},t=${SIGNED_AT}`, /exactly t=/],
}

for (const [name, [header, says]] of Object.entries(V1)) {
  test(`v1: ${name} is detected, and the string to sign is shown`, () => {
    const result = explain(toRequest(INTENT, header), [toSecret(SECRET)], SETTINGS)
    assert.equal(result.code, 'signature_invalid')
    assert.match(result.mistakes.join('; '), says)
    assert.equal(result.mistakes.length, 1)
    if (header !== hex) assert.equal(result.stringToSign?.toString(), LINES.join('\n'))
  })
}

const V0: Record<string, [string, string | Buffer, RegExp]> = {
  'a newline after the body': [BODY, `${BODY}\n`, /newline at its end/],
  'a newline that was sent and not signed': [`${BODY}\n`, BODY, /newline at its end that was not signed/],
  'line breaks that curl drops': ['{"a":[1]}', '{"a":\n[1]}\n'.replace('\n', ''), /newline/],
  'compact JSON for pretty JSON': [JSON.stringify(json, null, 2), BODY, /JSON.stringify/],
  'an empty body': [BODY, '', /an empty body was signed/],
}

for (const [name, [sent, signed, says]] of Object.entries(V0)) {
  test(`v0: ${name} is detected`, () => {
    const request = toRequest({ ...INTENT, body: sent }, hmacHex(SECRET, signed))
    const result = explain(request, [toSecret(SECRET)], SETTINGS)
    assert.equal(result.code, 'signature_invalid')
    assert.match(result.mistakes.join('; '), says)
    assert.equal(result.stringToSign?.toString(), sent)
  })
}

test('v0 with a prefix before the digits is detected', () => {
  const result = explain(toRequest(INTENT, `sha256=${hmacHex(SECRET, BODY)}`), [toSecret(SECRET)], SETTINGS)
  assert.match(result.mistakes.join(), /exactly/)
})

test('a signed body in a request without one is detected', () => {
  const intent = { ...INTENT, method: 'GET', body: '' }
  for (const nothing of ['{}', 'null', '\n']) {
    const header = signV1(SECRET, { ...intent, body: nothing })
    assert.equal(explain(toRequest(intent, header), [toSecret(SECRET)], SETTINGS).mistakes.length, 1, nothing)
  }
})

test('two mistakes in one request are both named', () => {
  const header = v1({ 3: PATH, 6: sha256(`${BODY}\n`) }, {})
  const { mistakes } = explain(toRequest(INTENT, header), [toSecret(SECRET)], SETTINGS)
  assert.equal(mistakes.length, 2)
  assert.match(mistakes.join(), /query was not signed.*newline at its end/)
  const secret = explain(
    toRequest(INTENT, v1({ 2: 'post' }, { secret: `${SECRET}\n` })),
    [toSecret(SECRET)],
    SETTINGS,
  )
  assert.match(secret.mistakes.join(), /secret was used with a newline.*lower case/)
})

test('a valid signature has no mistakes, also in upper case and with the second secret', () => {
  for (const header of [right, right.replace(/[0-9a-f]{64}/, (digits) => digits.toUpperCase())]) {
    const result = explain(toRequest(INTENT, header), [toSecret('old'), toSecret(SECRET)], SETTINGS)
    assert.deepEqual([result.code, result.scheme, result.client, result.mistakes], ['ok', 'v1', 'acme', []])
  }
})

test('another secret, or no known mistake, leaves the mistakes empty', () => {
  const result = explain(toRequest(INTENT, v1({}, { secret: 'another' })), [toSecret(SECRET)], SETTINGS)
  assert.deepEqual([result.code, result.mistakes], ['signature_invalid', []])
  assert.deepEqual(explain(toRequest(INTENT), [toSecret(SECRET)], SETTINGS).code, 'signature_missing')
})

test('the client that the partner means to be is compared with the client that was sent', () => {
  const intent = { ...INTENT, client: undefined }
  const header = signV1(SECRET, { ...INTENT, client: 'acme' })
  const result = explain(toRequest(intent, header), [toSecret(SECRET)], { ...SETTINGS, client: 'acme' })
  assert.match(result.mistakes.join(), /"acme" was signed, X-Client-Id was not sent/)
})

test('a request that names another client than the partner means is refused, even if the secret matches', () => {
  const intent = { ...INTENT, client: undefined }
  for (const header of [signV1(SECRET, intent), hmacHex(SECRET, BODY)]) {
    const result = explain(toRequest(intent, header), [toSecret(SECRET)], { ...SETTINGS, client: 'acme' })
    assert.equal(result.code, 'signature_invalid')
    assert.match(result.mistakes.join(), /names the client "default", not "acme": send X-Client-Id/)
    const same = explain(toRequest(intent, header), [toSecret(SECRET)], { ...SETTINGS, client: 'default' })
    assert.equal(same.code, 'ok')
  }
})

test('a time out of range is explained as milliseconds or with its difference, together with other mistakes', () => {
  const at = (timestamp: number, secret = SECRET) => {
    const intent = { ...INTENT, timestamp }
    return explain(toRequest(intent, signV1(secret, intent)), [toSecret(SECRET)], SETTINGS)
  }
  assert.equal(at(SIGNED_AT * 1000).code, 'timestamp_out_of_range')
  assert.deepEqual(at(SIGNED_AT * 1000).mistakes, ['the time is in milliseconds: send whole Unix seconds'])
  assert.match(at(SIGNED_AT - 400).mistakes.join(), /^the time is 400 s behind/)
  assert.match(at(SIGNED_AT + 400).mistakes.join(), /^the time is 400 s ahead/)
  const two = at(SIGNED_AT - 400, `${SECRET}\n`).mistakes
  assert.equal(two.length, 2)
  assert.match(two[1] ?? '', /secret was used with a newline/)
})

const MESSAGE: Record<string, [(base: string) => string, RegExp]> = {
  'a newline at the end': [(base) => `${base}\n`, /newline at its end/],
  'the query in the path': [
    (base) => base.replace(`${PATH}\n`, `${INTENT.target}\n`),
    /query was signed as part of "@path"/,
  ],
  'a query without its mark': [(base) => base.replace('?y', 'y'), /without its question mark/],
  'a method in lower case': [(base) => base.replace('POST', 'post'), /lower case/],
  'a key in quotes': [(base) => base.replace('key-001', '"key-001"'), /in quotes/],
  'no line of parameters': [
    (base) => base.slice(0, base.lastIndexOf('\n')),
    /"@signature-params" was missing/,
  ],
  'the label in the parameters': [
    (base) => base.replace('params": (', 'params": sig1=('),
    /label was signed/,
  ],
  'names without quotes': [(base) => base.replaceAll(/^"([^"]+)": /gm, '$1: '), /without quotes/],
  'a slash at the end of the path': [(base) => base.replace(`${PATH}\n`, `${PATH}/\n`), /slash at its end/],
}

function message(secret: string | Buffer, change: (base: string) => string, body = BODY): SignedRequest {
  const headers = signedHeaders('rfc9421', SECRET, { ...INTENT, client: 'acme', body })
  const input = headers.find(([name]) => name === 'Signature-Input')?.[1].replace('sig1=', '')
  const digest = headers.find(([name]) => name === 'Content-Digest')?.[1]
  const lines = ['"@method": POST', `"@path": ${PATH}`, '"@query": ?y=2&x=1', `"content-digest": ${digest}`]
  const base = [...lines, '"idempotency-key": key-001', `"@signature-params": ${input}`].join('\n')
  const mac = createHmac('sha256', secret).update(change(base)).digest('base64')
  const rawHeaders = [
    ...headers.filter(([name]) => name !== 'Signature').flat(),
    'Signature',
    `sig1=:${mac}:`,
  ]
  return { method: 'POST', target: INTENT.target, rawHeaders, body: new WireBody(Buffer.from(BODY)) }
}

for (const [name, [change, says]] of Object.entries(MESSAGE)) {
  test(`rfc9421: ${name} is detected`, () => {
    const result = explain(message(SECRET, change), [toSecret(SECRET)], SETTINGS)
    assert.equal(result.code, 'signature_invalid')
    assert.match(result.mistakes.join('; '), says)
    assert.match(result.stringToSign?.toString() ?? '', /^"@method": POST\n"@path": \/v1\/orders/)
  })
}

test('rfc9421: a digest of other bytes than the sent ones is detected', () => {
  const result = explain(
    message(SECRET, (base) => base, `${BODY}\n`),
    [toSecret(SECRET)],
    SETTINGS,
  )
  assert.match(result.detail ?? '', /Content-Digest is not/)
  assert.match(result.mistakes.join(), /Content-Digest: the body was signed with a newline/)
})

test('rfc9421: a secret with a newline is detected, and a valid signature has no mistakes', () => {
  const wrong = explain(
    message(`${SECRET}\n`, (base) => base),
    [toSecret(SECRET)],
    SETTINGS,
  )
  assert.match(wrong.mistakes.join(), /secret was used with a newline/)
  assert.equal(
    explain(
      message(SECRET, (base) => base),
      [toSecret(SECRET)],
      SETTINGS,
    ).code,
    'ok',
  )
})

const REGISTRY = registryOf({ acme: { secrets: ['old', SECRET] }, zeta: { secrets: ['zeta-1'] } })

test('a hint needs a known client and its real secret', () => {
  const nowMs = SIGNED_AT * 1000
  const hint = (header: string, client = 'acme') =>
    hintFor(toRequest({ ...INTENT, client }, header), REGISTRY, nowMs)
  assert.match(hint(without(4)) ?? '', /line of the client id was missing/)
  assert.match(hint(`sha256=${hmacHex(SECRET, BODY)}`) ?? '', /exactly/)
  for (const client of ['zeta', 'nobody', 'a b', 'default']) assert.equal(hint(without(4), client), undefined)
  assert.equal(hint(v1({}, { secret: '' })), undefined)
  assert.equal(hint(v1({}, { secret: 'decoy' })), undefined)
  assert.equal(hint('nonsense'), undefined)
  assert.equal(
    hintFor(
      message(SECRET, (base) => `${base}\n`),
      REGISTRY,
      nowMs,
    )?.includes('newline'),
    true,
  )
})

test('a hint takes bounded time for any input', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000)
  const huge = Buffer.alloc(1_000_000, 'x')
  for (const body of [
    deep,
    huge,
    Buffer.alloc(65_536, '"'),
    `x${' '.repeat(200_000)}x`,
    '{"a":'.repeat(60_000),
  ]) {
    for (const header of [
      `t=${SIGNED_AT},v1=${'00'.repeat(32)}`,
      '00'.repeat(32),
      'x'.repeat(15_000),
      'v1=,'.repeat(4_000),
    ]) {
      // CPU time, which does not include other processes.
      const started = process.cpuUsage()
      assert.equal(hintFor(toRequest({ ...INTENT, body }, header), REGISTRY, SIGNED_AT * 1000), undefined)
      const { user, system } = process.cpuUsage(started)
      assert.ok(user + system < 2_000_000, `${(user + system) / 1_000} ms`)
    }
  }
})
