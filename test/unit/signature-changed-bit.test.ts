import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { WireBody } from '../../internal/core/request-state.ts'
import { permanentSecret } from '../../internal/signature/client-registry.ts'
import { signedHeaders } from '../../internal/signature/sign-request.ts'
import { type SignedRequest, type Verdict, verify } from '../../internal/signature/verify.ts'
import { type Intent, SIGNED_AT, signV1, toRequest } from '../support/signed-request.ts'

const NOW = SIGNED_AT * 1000
const secrets = [permanentSecret('shared')]
/** All clients share the secret, so that only the signature protects the client line. */
const registry = { find: (id: string) => ({ id, secrets, minScheme: undefined }) }

const printable = (maxLength: number) =>
  fc.string({ minLength: 1, maxLength, unit: fc.constantFrom(...'!"$%&/()=?*+azAZ09._-~') })
const requestsTo = (target: fc.Arbitrary<string>) =>
  fc.record({
    method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE'),
    target,
    client: fc.stringMatching(/^[A-Za-z0-9._-]{1,64}$/),
    key: printable(40),
    body: fc.uint8Array({ minLength: 1, maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    timestamp: fc.integer({ min: 0, max: 2 ** 40 }),
  })

function codeOf(verdict: Verdict): string {
  return verdict.ok ? 'ok' : verdict.code
}

test('any changed bit of the signed content is refused', () => {
  const requests = requestsTo(printable(40).map((path) => `/${path}`))
  const field = fc.constantFrom('method', 'target', 'client', 'key', 'body', 'timestamp', 'mac')
  const settings = { minScheme: 'v0', toleranceMs: Number.MAX_SAFE_INTEGER } as const
  fc.assert(
    fc.property(requests, field, fc.nat(), (intent, which, bit) => {
      const signature = signV1('shared', intent)
      assert.equal(codeOf(verify(toRequest(intent, signature), registry, settings, NOW)), 'ok')
      const changed = flip(intent, signature, which, bit)
      assert.equal(codeOf(verify(changed, registry, settings, NOW)), 'signature_invalid', which)
    }),
    { numRuns: 2_000 },
  )
})

function flip(
  intent: Intent & { client: string },
  signature: string,
  which: string,
  bit: number,
): SignedRequest {
  const request = toRequest(intent, signature)
  const flipText = (text: string) => flipBytes(Buffer.from(text, 'latin1'), bit).toString('latin1')
  const header = (name: string, change: (value: string) => string) => {
    request.rawHeaders = request.rawHeaders.map((value, i, all) =>
      all[i - 1] === name ? change(value) : value,
    )
  }
  if (which === 'method') request.method = flipText(request.method)
  if (which === 'target') request.target = flipText(request.target)
  if (which === 'client') header('X-Client-Id', flipText)
  if (which === 'key') header('Idempotency-Key', flipText)
  if (which === 'body') request.body = new WireBody(flipBytes(request.body.bytes, bit))
  if (which === 'timestamp') {
    const changed = Number(BigInt(intent.timestamp) ^ (1n << BigInt(bit % 40)))
    header('X-Signature', (value) => value.replace(/t=\d+/, `t=${changed}`))
  }
  if (which === 'mac') {
    const flipHex = (hex: string) => flipBytes(Buffer.from(hex, 'hex'), bit).toString('hex')
    header('X-Signature', (value) => value.replace(/[0-9a-f]{64}/, flipHex))
  }
  return request
}

function flipBytes(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  const at = (bit >> 3) % copy.length
  copy[at] = (copy[at] ?? 0) ^ (1 << (bit & 7))
  return copy
}

test('any changed bit of the content of an RFC 9421 signature, or of the signature, is refused', () => {
  const requests = requestsTo(
    fc.tuple(printable(20), printable(20)).map(([path, query]) => `/${path}?${query}x`),
  )
  const field = fc.constantFrom(
    'method',
    'target',
    'body',
    'Idempotency-Key',
    'Content-Digest',
    'Signature-Input',
    'Signature',
  )
  const settings = { minScheme: 'v0', toleranceMs: Number.MAX_SAFE_INTEGER } as const
  fc.assert(
    fc.property(requests, field, fc.nat(), (intent, which, bit) => {
      const request: SignedRequest = {
        method: intent.method,
        target: intent.target,
        rawHeaders: signedHeaders('rfc9421', 'shared', intent).flat(),
        body: new WireBody(intent.body),
      }
      assert.equal(codeOf(verify(request, registry, settings, NOW)), 'ok')
      const flipText = (text: string) => flipBytes(Buffer.from(text, 'latin1'), bit).toString('latin1')
      if (which === 'method') request.method = flipText(request.method)
      else if (which === 'target') request.target = flipText(request.target)
      else if (which === 'body') request.body = new WireBody(flipBytes(intent.body, bit))
      else
        request.rawHeaders = request.rawHeaders.map((value, i, all) =>
          i % 2 === 1 && all[i - 1] === which ? flipText(value) : value,
        )
      // A changed digit of created may be far out of the tolerance.
      const code = codeOf(verify(request, registry, settings, NOW))
      assert.ok(
        code === 'signature_invalid' || (which === 'Signature-Input' && code === 'timestamp_out_of_range'),
        code,
      )
    }),
    { numRuns: 3_000 },
  )
})
