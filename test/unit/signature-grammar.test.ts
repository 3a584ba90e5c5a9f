import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { WireBody } from '../../internal/core/request-state.ts'
import { permanentSecret } from '../../internal/signature/client-registry.ts'
import { parseMessageSignature, signatureParams } from '../../internal/signature/message-signature.ts'
import { serializeBytes } from '../../internal/signature/structured-fields.ts'
import { verify } from '../../internal/signature/verify.ts'

const HEX = 'ab'.repeat(32)
const INPUT = 'sig1=("@method" "@path");created=1767225600;keyid="acme"'
const MAC = `sig1=:${Buffer.alloc(32, 7).toString('base64')}:`
type Example = [headers: (readonly string[])[], target: string, bytes: Uint8Array<ArrayBuffer>]
const WHOLE: string[][] = [
  ['X-Signature', HEX],
  ['X-Signature', `t=1767225600,v1=${HEX}`],
  ['Signature-Input', INPUT, 'Signature', MAC],
]
const NOW_MS = 1_767_225_600_000

test('random headers are refused with one of four codes, and nothing is thrown', () => {
  const registry = {
    find: (id: string) => ({ id, secrets: [permanentSecret('secret')], minScheme: undefined }),
  }
  const settings = { minScheme: 'v0', toleranceMs: 300_000 } as const
  const base64 = Buffer.alloc(32, 7).toString('base64')
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('t=', 'v1=', ',', HEX, '1767225600', 'sig1=', '(', ')', '"@method"', '"@path"', ' ', ';'),
    fc.constantFrom('created=1767225600', 'keyid="acme"', 'alg="hmac-sha256"', `:${base64}:`, ':', '"', '\\'),
    fc.constantFrom(INPUT, MAC, `t=1767225600,v1=${HEX}`),
  )
  const names = [
    'X-Signature',
    'Signature',
    'Signature-Input',
    'X-Client-Id',
    'Content-Digest',
    'Idempotency-Key',
  ]
  const value = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''))
  const header: fc.Arbitrary<readonly string[]> = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...names), value) },
    fc.constant(['Signature-Input', INPUT, 'Signature', MAC]),
  )
  const seen = new Set<string>()
  fc.assert(
    fc.property(
      fc.array(header, { maxLength: 5 }),
      fc.string(),
      fc.uint8Array(),
      (headers, target, bytes) => {
        const request = {
          method: 'POST',
          target,
          rawHeaders: headers.flat(),
          body: new WireBody(Buffer.from(bytes)),
        }
        const verdict = verify(request, registry, settings, NOW_MS)
        assert.ok(!verdict.ok, 'nobody signed it')
        seen.add(`${verdict.scheme} ${verdict.code}`)
      },
    ),
    // Random headers alone do not give a complete signature of each scheme in every run.
    { numRuns: 5_000, examples: WHOLE.map((headers): Example => [[headers], '/', new Uint8Array()]) },
  )
  for (const scheme of ['none', 'v0', 'v1', 'rfc9421']) {
    assert.ok(
      [...seen].some((one) => one.startsWith(scheme)),
      `${scheme} was read: ${[...seen].join(', ')}`,
    )
  }
})

test('an RFC 9421 signature with any components and parameters is parsed as it was written', () => {
  const component = fc.oneof(
    fc.constantFrom('@method', '@path', '@query', '@authority', '@request-target'),
    fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/).filter((name) => !/^signature(-input)?$/.test(name)),
  )
  const text = fc.stringMatching(/^[ -~]{0,40}$/)
  const time = fc.integer({ min: 0, max: 999_999_999_999_999 })
  fc.assert(
    fc.property(
      fc.uniqueArray(component, { maxLength: 8 }),
      fc.record(
        {
          created: time,
          expires: time,
          nonce: text,
          alg: fc.constant('hmac-sha256'),
          keyid: text,
          tag: text,
        },
        { requiredKeys: ['created', 'keyid'] },
      ),
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.stringMatching(/^[a-z*][a-z0-9_.*-]{0,10}$/),
      (covered, parameters, mac, label) => {
        const params = signatureParams(covered, Object.entries(parameters))
        const read = parseMessageSignature(
          [`${label}=${params}`],
          [`${label}=${serializeBytes(Buffer.from(mac))}`],
        )
        assert.ok('covered' in read, JSON.stringify(read))
        assert.deepEqual(read.covered, covered)
        assert.deepEqual(
          [read.created, read.expires, read.keyid, read.params],
          [parameters.created, parameters.expires, parameters.keyid, params],
        )
        assert.deepEqual(read.mac, Buffer.from(mac))
      },
    ),
    { numRuns: 1_000 },
  )
})
