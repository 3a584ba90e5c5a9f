/*
 * Koa, @node-idempotency/core on Redis, rate-limiter-flexible, postgres.js. What it does not do and oncekey does: a
 * lock that is renewed and fenced, the response from PostgreSQL when Redis has lost the key, the same bytes on a
 * replay, several secrets and clients, problem documents, metrics, logs, validation of every member. A crash between
 * claim and response leaves the key in progress for a day.
 */
import Router from '@koa/router'
import Koa from 'koa'
import { consume, isOrder, isSigned, openIdempotency, openStores, placeOrder, sayReady } from './parts.js'

await openStores()
const idempotency = await openIdempotency()
const app = new Koa()
const router = new Router()

router.post('/orders', rawBody, signed, limited, json, once, async (ctx) => {
  if (!isOrder(ctx.state.body)) ctx.throw(422, 'not an order')
  ctx.status = 201
  ctx.body = await placeOrder(ctx.state.client, ctx.get('idempotency-key'), ctx.state.body)
})
app.use(router.routes()).use(router.allowedMethods())
const server = app.listen(0, '127.0.0.1', () => sayReady(server.address().port))

async function rawBody(ctx, next) {
  ctx.state.raw = await new Promise((resolve, reject) => {
    const chunks = []
    ctx.req.on('data', (chunk) => chunks.push(chunk))
    ctx.req.once('end', () => resolve(Buffer.concat(chunks)))
    ctx.req.once('error', reject)
  })
  await next()
}

async function signed(ctx, next) {
  const client = ctx.get('x-client-id') || 'default'
  const [key, signature] = [ctx.get('idempotency-key'), ctx.get('x-signature')]
  const request = { method: ctx.method, target: ctx.url, client, key, signature, raw: ctx.state.raw }
  if (!isSigned(request)) ctx.throw(401, 'the signature is not valid')
  ctx.state.client = client
  await next()
}

async function limited(ctx, next) {
  const { allowed, headers } = await consume(ctx.state.client)
  ctx.set(headers)
  if (!allowed) ctx.throw(429, 'too many requests', { headers })
  await next()
}

async function json(ctx, next) {
  try {
    ctx.state.body = JSON.parse(ctx.state.raw)
  } catch {
    ctx.throw(400, 'not JSON')
  }
  await next()
}

async function once(ctx, next) {
  // Its keys hold no client: two partners must not see each other's.
  const headers = { 'idempotency-key': `${ctx.state.client}:${ctx.get('idempotency-key')}` }
  const request = { method: ctx.method, path: ctx.path, headers, body: ctx.state.body }
  const known = await idempotency.onRequest(request).catch((error) => ctx.throw(409, error.message))
  if (known !== undefined) {
    ctx.set('Idempotent-Replayed', 'true')
    ctx.status = known.additional.status
    ctx.body = known.body
    return
  }
  await next()
  await idempotency.onResponse(request, { body: ctx.body, additional: { status: ctx.status } })
}
