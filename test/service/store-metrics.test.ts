import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newKey, orderBody, postOrder, send } from '../support/order-client.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

test('the metrics have the time of each verb of the store, also where a claim gives way to an order', async (t) => {
  const { service, close } = await startServiceOnDatabase({ RATE_LIMITS: 'none' })
  t.after(close)
  const verbs = async () => {
    const { body } = await send(`${service.url}/metrics`)
    const counts = body.toString().matchAll(/^idempotency_store_duration_seconds_count\{(.*)\} (\d+)$/gm)
    return Object.fromEntries(
      [...counts].map(([, labels = '', n]) => [/operation="(\w+)"/.exec(labels)?.[1], Number(n)]),
    )
  }
  const key = newKey()
  assert.equal((await postOrder(service.url, key, orderBody())).status, 201)
  assert.deepEqual(await verbs(), { place: 1 })
  assert.equal((await postOrder(service.url, key, orderBody({ amount: -1 }))).status, 409)
  assert.deepEqual(await verbs(), { place: 1, claim: 1, release: 1 })
  assert.equal((await postOrder(service.url, newKey(), orderBody({ amount: -1 }))).status, 422)
  assert.deepEqual(await verbs(), { place: 1, claim: 2, release: 1, complete: 1 })
})
