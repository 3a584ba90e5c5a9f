// Places an order once and looks it up, with Node.js 20 and nothing else: node order.mjs [KEY]
// The SDK (oncekey/client) does the same and more; this is for those who want to see how.
import { createHash, createHmac, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'

const URL_OF_SERVICE = process.env.ONCEKEY_URL ?? 'http://127.0.0.1:8080'
const CLIENT = process.env.ONCEKEY_CLIENT ?? 'default'
const SECRET = process.env.ONCEKEY_SECRET ?? 'super-secret-key'
const PASSING = [408, 425, 429, 500, 502, 503, 504]

function signature(method, { pathname, search }, key, body) {
  const t = Math.floor(Date.now() / 1000)
  const hash = createHash('sha256').update(body).digest('hex')
  const text = ['v1', t, method, pathname + search, CLIENT, key, hash].join('\n')
  return `t=${t},v1=${createHmac('sha256', SECRET).update(text).digest('hex')}`
}

function passes(status, text) {
  if (PASSING.includes(status)) return !text.includes('"retryable":false')
  return status === 409 && ['request_in_progress', 'outcome_unknown'].includes(JSON.parse(text).code)
}

// Sends the same key and the same bytes until there is a final response; each attempt is signed anew.
async function send(method, target, key = '', body = '') {
  // fetch sends what the parsed URL says, which need not be what was typed.
  const url = new URL(target, URL_OF_SERVICE)
  for (let n = 0; n < 10; n++) {
    const headers = { 'X-Client-Id': CLIENT, 'X-Signature': signature(method, url, key, body) }
    if (key !== '') headers['Idempotency-Key'] = key
    if (body !== '') headers['Content-Type'] = 'application/json'
    let wait = Math.random() * Math.min(10_000, 200 * 2 ** n)
    try {
      const init = { method, headers, body: body || undefined, redirect: 'manual' }
      const response = await fetch(url, { ...init, signal: AbortSignal.timeout(15_000) })
      const text = await response.text()
      if (!passes(response.status, text)) {
        console.log(response.status, text)
        if (!response.ok) process.exit(1)
        return
      }
      const after = response.headers.get('Retry-After')
      if (after !== null) wait = Number(after) * 1000
    } catch (error) {
      console.error(`attempt ${n + 1}: ${error.cause?.message ?? error.message}`)
    }
    await sleep(wait)
  }
  process.exit(1)
}

const key = process.argv[2] ?? randomUUID()
await send('POST', '/orders', key, JSON.stringify({ user_id: 'user-1', item: 'Käse', amount: '19.90' }))
await send('GET', `/orders?${new URLSearchParams({ idempotency_key: key })}`)
