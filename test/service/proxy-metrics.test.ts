import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newKey, send } from '../support/order-client.ts'
import { startProxy, startRawBackend } from '../support/proxy.ts'
import { startRedis } from '../support/servers.ts'

test('the metrics count the keys whose outcome is not known', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  const backend = await startRawBackend(t, (socket) => void socket.destroy())
  const proxy = await startProxy(t, backend.url, [], { REDIS_URL: redis.url })
  for (let n = 0; n < 2; n++) {
    const headers = { 'Idempotency-Key': newKey() }
    const { code } = await send(`${proxy.url}/charge`, { method: 'POST', body: 'x', headers })
    assert.equal(code, 'outcome_unknown')
  }
  const { body } = await send(`${proxy.url}/.oncekey/metrics`)
  assert.match(body.toString(), /^idempotency_keys_unknown 2$/m)
})
