/*
 * Express 5, express-idempotency on Redis, rate-limiter-flexible, postgres.js. What it does not do and oncekey does:
 * see koa.js. Its keys are those of all clients; two copies at the same time both run, since it reads before it
 * writes, and only the unique key of the table keeps them at one order.
 */
import express from 'express'
import idempotencyModule from 'express-idempotency'
import redisAdapterModule from 'express-idempotency-redis-adapter'
import { consume, isOrder, isSigned, openStores, placeOrder, REDIS_URL, sayReady } from './parts.js'

await openStores()
const dataAdapter = new redisAdapterModule.default({ connectionConfig: { url: REDIS_URL } })
await dataAdapter.connect()
const { idempotency, getSharedIdempotencyService } = idempotencyModule
const app = express().disable('x-powered-by').set('etag', false)
const keepRaw = (req, _res, raw) => {
  req.raw = raw
}

app.post('/orders', express.json({ verify: keepRaw }), signed, limited, idempotency({ dataAdapter }), place)
app.use((error, _req, res, _next) => {
  // 417 is what express-idempotency says of a key that was used for another request.
  const status = res.statusCode === 417 ? 409 : res.statusCode >= 400 ? res.statusCode : (error.status ?? 500)
  res.status(status).json({ error: error.message })
})
const server = app.listen(0, '127.0.0.1', () => sayReady(server.address().port))

function signed(req, res, next) {
  const client = req.get('x-client-id') ?? 'default'
  const [key, signature] = [req.get('idempotency-key') ?? '', req.get('x-signature')]
  const { method, originalUrl: target, raw = Buffer.alloc(0) } = req
  if (!isSigned({ method, target, client, key, signature, raw })) {
    res.status(401).json({ error: 'the signature is not valid' })
    return
  }
  req.client = client
  next()
}

async function limited(req, res, next) {
  const { allowed, headers } = await consume(req.client)
  res.set(headers)
  if (allowed) next()
  else res.status(429).json({ error: 'too many requests' })
}

async function place(req, res) {
  // The middleware has responded already.
  if (getSharedIdempotencyService().isHit(req)) return
  if (!isOrder(req.body)) {
    res.status(422).json({ error: 'not an order' })
    return
  }
  res.status(201).json(await placeOrder(req.client, req.get('idempotency-key'), req.body))
}
