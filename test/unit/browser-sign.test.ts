import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signV1 } from '../../internal/docs/browser/sign.js'
import vectors from '../vectors/signature-vectors.json' with { type: 'json' }

for (const vector of vectors.cases) {
  test(`the page signs the vector "${vector.name}"`, async () => {
    const { secret, body, timestamp, method, target, client, key } = vector
    const signature = await signV1({ secret, body, timestamp, method, target, client, key })
    assert.equal(signature, `t=${timestamp},v1=${vector.v1}`)
  })
}
