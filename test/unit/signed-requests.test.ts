import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WireBody } from '../../internal/core/request-state.ts'
import { permanentSecret, type Scheme } from '../../internal/signature/client-registry.ts'
import { verify } from '../../internal/signature/verify.ts'
import vectors from '../vectors/signed-requests.json' with { type: 'json' }

const SCHEMES: readonly Scheme[] = ['v0', 'v1', 'rfc9421']
const clients = new Map(
  Object.entries(vectors.clients).map(([id, client]) => {
    const minScheme = SCHEMES.find((scheme) => 'min_scheme' in client && scheme === client.min_scheme)
    return [id, { id, secrets: client.secrets.map(permanentSecret), minScheme }]
  }),
)

for (const { name, request, expect } of vectors.cases) {
  test(`a whole request gets the verdict of its vector: ${name}`, () => {
    const { method, target, headers, body } = request
    const rawHeaders = headers.flat().map((text) => Buffer.from(text, 'utf8').toString('latin1'))
    const received = { method, target, rawHeaders, body: new WireBody(Buffer.from(body)) }
    const rules = { minScheme: 'v0', toleranceMs: 300_000 } as const
    const verdict = verify(received, { find: (id) => clients.get(id) }, rules, vectors.now * 1_000)
    assert.equal(verdict.ok ? 'ok' : verdict.code, expect)
  })
}

test('each scheme has vectors that are accepted and vectors that are refused', () => {
  for (const scheme of SCHEMES) {
    const own = vectors.cases.filter(({ name }) => name.startsWith(`${scheme}:`))
    assert.ok(own.filter(({ expect }) => expect === 'ok').length >= 3, scheme)
    assert.ok(own.filter(({ expect }) => expect !== 'ok').length >= 8, scheme)
  }
})
