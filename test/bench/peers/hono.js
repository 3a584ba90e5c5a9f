/*
 * Hono on @hono/node-server, @node-idempotency/core on Redis (npm has no idempotency package of Hono's own that could
 * be found), rate-limiter-flexible, postgres.js. What it does not do and oncekey does: see koa.js.
 */
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { consume, isOrder, isSigned, openIdempotency, openStores, placeOrder, sayReady } from './parts.js'

await openStores()
const idempotency = await openIdempotency()
const app = new Hono()

app.post('/orders', signed, limited, once, async (c) => {
  const body = c.get('body')
  if (!isOrder(body)) throw new HTTPException(422, { message: 'not an order' })
  return c.json(await placeOrder(c.get('client'), c.req.header('idempotency-key'), body), 201)
})
serve({ fetch: app.fetch, port: 0, hostname: '127.0.0.1' }, ({ port }) => sayReady(port))

async function signed(c, next) {
  const raw = Buffer.from(await c.req.arrayBuffer())
  const client = c.req.header('x-client-id') ?? 'default'
  const [key, signature] = [c.req.header('idempotency-key') ?? '', c.req.header('x-signature')]
  const { pathname, search } = new URL(c.req.url)
  const request = { method: c.req.method, target: pathname + search, client, key, signature, raw }
  if (!isSigned(request)) throw new HTTPException(401, { message: 'the signature is not valid' })
  c.set('client', client)
  try {
    c.set('body', JSON.parse(raw))
  } catch {
    throw new HTTPException(400, { message: 'not JSON' })
  }
  await next()
}

async function limited(c, next) {
  const { allowed, headers } = await consume(c.get('client'))
  if (!allowed) return c.text('too many requests', 429, headers)
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
  await next()
}

async function once(c, next) {
  // Its keys hold no client: two partners must not see each other's.
  const headers = { 'idempotency-key': `${c.get('client')}:${c.req.header('idempotency-key')}` }
  const request = { method: c.req.method, path: c.req.path, headers, body: c.get('body') }
  const known = await idempotency.onRequest(request).catch((error) => {
    throw new HTTPException(409, { message: error.message })
  })
  if (known !== undefined) {
    c.header('Idempotent-Replayed', 'true')
    return c.json(known.body, known.additional.status)
  }
  await next()
  const response = { body: await c.res.clone().json(), additional: { status: c.res.status } }
  await idempotency.onResponse(request, response)
}
