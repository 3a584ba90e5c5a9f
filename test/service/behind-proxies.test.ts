import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { assertProblem, one } from '../support/raw-http.ts'
import { newKey, signedOrder } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const world = await startServiceOnDatabase({ TRUST_PROXY: '1', RATE_LIMITS: 'ip=2/60s' })
after(() => world.close())
const from = (address: string) =>
  one(world.port, signedOrder({ key: newKey(), headers: [`X-Forwarded-For: ${address}`] }))

describe('the limit of an address counts one address once, in each spelling', () => {
  const SPELLINGS: [what: string, addresses: [string, string, string]][] = [
    ['with the port that Azure adds', ['203.0.113.7:50001', '203.0.113.7:50002', '203.0.113.7:50003']],
    ['IPv4-mapped', ['203.0.113.8', '::ffff:203.0.113.8', '[::ffff:203.0.113.8]:443']],
    ['in one /64', ['2001:db8:0:1::1', '2001:DB8:0:1::2', '[2001:db8:0:1::3]:50001']],
    ['that are no address, by the peer', ['unknown', '_hidden', 'proxy-1']],
  ]
  for (const [what, [first, second, third]] of SPELLINGS) {
    test(what, async () => {
      assert.deepEqual([(await from(first)).status, (await from(second)).status], [201, 201])
      assertProblem(await from(third), 429, 'rate_limited')
    })
  }
})

test('a target in absolute form is taken, and signed by its path', async () => {
  const order = signedOrder({ key: newKey(), headers: ['X-Forwarded-For: 203.0.113.99'] }).toString('latin1')
  const absolute = order.replace('POST /orders ', 'POST http://127.0.0.1/orders ')
  assert.notEqual(absolute, order)
  const first = await one(world.port, Buffer.from(absolute, 'latin1'))
  assert.equal(first.status, 201, first.body)
  const again = await one(world.port, Buffer.from(order, 'latin1'))
  assert.equal(again.header('idempotent-replayed'), 'true')
  assert.equal(again.body, first.body)
})
