import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSigner } from '../../src/client/signer.ts'
import vectors from '../vectors/signature-vectors.json' with { type: 'json' }

for (const one of vectors.cases) {
  test(`WebCrypto gives the signature of the vector: ${one.name}`, async () => {
    const { client, secret, timestamp, method, target, key } = one
    const body = new TextEncoder().encode(one.body)
    const signature = await createSigner(client, secret).sign({ timestamp, method, target, key, body })
    assert.equal(signature, `t=${timestamp},v1=${one.v1}`)
  })
}

test('of a larger buffer only the given part is signed', async () => {
  const [one] = vectors.cases
  assert.ok(one)
  const { client, secret, timestamp, method, target, key } = one
  const body = new TextEncoder().encode(`<<${one.body}>>`).subarray(2, -2)
  const signature = await createSigner(client, secret).sign({ timestamp, method, target, key, body })
  assert.equal(signature, `t=${timestamp},v1=${one.v1}`)
})
