import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { newKey, postOrder, send } from '../support/order-client.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'
import { until } from '../support/until.ts'

const world = await startServiceOnDatabase({ RATE_LIMITS: 'none' })
after(() => world.close())
const { url } = world.service
const detailOf = (body: Buffer) => String(JSON.parse(body.toString()).detail)

test('a retry with other bytes is told to send the first ones, and never to take another key for it', async () => {
  const key = newKey()
  assert.equal((await postOrder(url, key, '{"user_id":"u","item":"b","amount":10}')).status, 201)
  for (const body of [
    '{"user_id":"u","item":"b","amount":10.0}',
    '{"user_id":"u", "item":"b","amount":10}',
    '{"item":"b","user_id":"u","amount":10}',
  ]) {
    const { code, body: problem } = await postOrder(url, key, body)
    assert.equal(code, 'idempotency_key_reused')
    assert.match(
      detailOf(problem),
      /send its bytes again as they were\. Only a new request gets a new key\.$/,
    )
  }
  await until('the key is in the log', () => world.service.log().includes(`"idempotency_key":"${key}"`))
})

test('an amount with the digits of binary floating point is told to be rounded', async () => {
  const body = '{"user_id":"u","item":"b","amount":59.970000000000006}'
  const { status, body: problem } = await postOrder(url, newKey(), body)
  assert.equal(status, 422)
  assert.match(detailOf(problem), /round the result of a calculation/)
})

test('/ names the places for programs, and leads browsers to /docs', async () => {
  const { body } = await send(`${url}/`)
  const { docs, openapi, problems } = JSON.parse(body.toString())
  assert.deepEqual([docs, openapi, problems], ['/docs', '/openapi.json', '/problems'])
  const { status, headers } = await send(`${url}/`, { headers: { Accept: 'text/html' } })
  assert.deepEqual([status, headers.location], [302, '/docs'])
})
