// Receives and verifies webhooks of oncekey, with Node.js 20: node webhook.mjs (or webhooks.verify() of the SDK: docs/events.md)
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const secret = process.env.ONCEKEY_WEBHOOK_SECRET
if (!secret) throw new Error('ONCEKEY_WEBHOOK_SECRET is not set: the whsec_... of the endpoint')
const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
const TOLERANCE_S = 300
const MAX_BODY_BYTES = 100_000

function isVerified(headers, body) {
  const {
    'webhook-id': id,
    'webhook-timestamp': timestamp = '',
    'webhook-signature': signatures = '',
  } = headers
  if (!/^[0-9]{1,12}$/.test(timestamp)) return false
  if (Math.abs(Math.floor(Date.now() / 1000) - Number(timestamp)) > TOLERANCE_S) return false
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.`, 'latin1').update(body)
  const expected = Buffer.from(`v1,${mac.digest('base64')}`)
  // Several while the secret rotates: one that matches is enough. timingSafeEqual takes the same time whatever is equal.
  const given = signatures.split(' ').map((one) => Buffer.from(one, 'latin1'))
  return given.some((one) => one.length === expected.length && timingSafeEqual(one, expected))
}

const server = createServer(async (request, response) => {
  const chunks = []
  let size = 0
  try {
    // The bytes as they came. What is longer has another signature.
    for await (const chunk of request) {
      chunks.push(chunk)
      size += chunk.length
      if (size > MAX_BODY_BYTES) break
    }
  } catch {
    return
  }
  const body = Buffer.concat(chunks)
  const ok = isVerified(request.headers, body)
  response.writeHead(ok ? 204 : 401).end()
  if (!ok) return
  // Do each id once: an event may come again. Keep the id together with what you do, and work after the response.
  const event = JSON.parse(body.toString())
  console.log(`${event.type} ${event.id}`)
})
server.requestTimeout = 15_000
server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1')
