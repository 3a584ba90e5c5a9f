import assert from 'node:assert/strict'
import { createServer, request } from 'node:http'
import { after, before, test } from 'node:test'
import { sign } from '../../internal/signature/schemes.ts'
import { signedHeaders } from '../../internal/signature/sign-request.ts'
import { createClient } from '../../src/client.ts'
import { newKey, orderBody, send } from '../support/order-client.ts'
import { type ServiceOnDatabase, startServiceOnDatabase } from '../support/service-on-database.ts'

const SECRET = 'super-secret-key'
let world: ServiceOnDatabase
/** Like nginx with `location /shop/ { proxy_pass http://service/; }`. */
const front = createServer((req, res) => {
  const { method, headers, url = '' } = req
  const path = url.replace(/^\/shop\b/, '')
  const onward = request({ port: world.port, host: '127.0.0.1', method, headers, path }, (response) => {
    res.writeHead(response.statusCode ?? 502, response.rawHeaders)
    response.pipe(res)
  })
  req.pipe(onward.on('error', () => res.destroy()))
})

before(async () => {
  world = await startServiceOnDatabase({ STRIPPED_PREFIX: '/shop', RATE_LIMITS: 'none' })
  await new Promise<void>((resolve) => void front.listen(0, '127.0.0.1', resolve))
})
after(async () => {
  front.closeAllConnections()
  front.close()
  await world.close()
})

function at(): string {
  const address = front.address()
  assert.ok(typeof address === 'object' && address !== null)
  return `http://127.0.0.1:${address.port}/shop`
}

const now = () => Math.floor(Date.now() / 1000)

test('v1 and rfc9421 signatures must cover the path with the prefix, not the path that arrives', async () => {
  const body = orderBody()
  for (const scheme of ['v1', 'rfc9421'] as const) {
    for (const [target, expected] of [
      ['/shop/orders', 201],
      ['/orders', 401],
      ['/shop', 401],
    ] as const) {
      const key = newKey()
      const unsigned = { method: 'POST', target, client: 'default', key, body, timestamp: now() }
      const headers = Object.fromEntries(signedHeaders(scheme, SECRET, unsigned))
      const response = await send(`${at()}/orders`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...headers },
        body,
      })
      assert.equal(response.status, expected, `${scheme} over ${target}`)
    }
  }
})

test('a GET with a query is also signed with the prefix', async () => {
  const target = '/shop/orders?limit=1'
  const unsigned = { method: 'GET', target, client: 'default', key: '', body: '', timestamp: now() }
  const headers = { 'X-Signature': sign({ ...unsigned, scheme: 'v1', secret: SECRET }) }
  assert.equal((await send(`${at()}/orders?limit=1`, { headers })).status, 200)
})

test('the SDK accepts a base URL with the prefix', async () => {
  for (const baseUrl of [at(), `${at()}/`]) {
    const { orders } = createClient({ baseUrl, secret: SECRET })
    const { order } = await orders.create({ user_id: 'user-1', item: 'book', amount: '1' })
    assert.deepEqual((await orders.get(order.id)).order, order)
    assert.equal((await orders.find({ key: order.idempotency_key }))?.id, order.id)
  }
})
