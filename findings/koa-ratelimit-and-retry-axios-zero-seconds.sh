#!/usr/bin/env bash
# koa-ratelimit 6.0.0 refuses with "Retry-After: 0" for the last second of a limit, and retry-axios 4.0.3 gives up on it.
#
# Guess: Retry-After is rounded up, so that a client that waits as long gets in; 0 means "at once" to a client.
# What happens: the seconds are rounded down. In the last second before the limit ends each 429 has "Retry-After: 0", while the
#   request is refused for up to a second more. retry-axios takes 0, and a date that has passed, for "do not retry" and rejects
#   at once, without one of its three retries; a 429 without Retry-After it does retry.
# Why it matters: together, a client that asks in the last second loses its request. Round Retry-After up, to 1 at least.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' >"$folder/redis.log" &
redis=$!
trap 'kill "$redis"; wait "$redis" || true; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts koa@3.1.1 koa-ratelimit@6.0.0 ioredis@5.8.2 axios@1.21.1 \
  retry-axios@4.0.3
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import axios from 'axios'
import Redis from 'ioredis'
import Koa from 'koa'
import ratelimit from 'koa-ratelimit'
import * as retryAxios from 'retry-axios'

async function listening(server) {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${server.address().port}/`
}

const db = new Redis(`${process.cwd()}/redis.sock`)
const app = new Koa()
app.use(ratelimit({ driver: 'redis', db, duration: 3_000, max: 1, id: () => 'client-1' }))
app.use((ctx) => {
  ctx.body = 'ok'
})
const limited = createServer(app.callback())
const url = await listening(limited)
await fetch(url)
const seen = new Set()
let refused = 0
for (let response = await fetch(url); response.status === 429; response = await fetch(url)) {
  seen.add(response.headers.get('retry-after'))
  if (response.headers.get('retry-after') === '0') refused++
  await sleep(100)
}
console.log(`koa-ratelimit refuses with Retry-After ${[...seen].join(', ')}; several times with 0: ${refused > 2}`)

async function attempts(retryAfter) {
  let requests = 0
  const server = createServer((request, response) => {
    requests++
    if (retryAfter !== undefined) response.setHeader('Retry-After', retryAfter)
    request.resume().on('end', () => response.writeHead(429).end())
  })
  const instance = axios.create()
  retryAxios.attach(instance)
  const raxConfig = { instance, retry: 3, retryDelay: 1, backoffType: 'static' }
  await instance.get(await listening(server), { raxConfig }).catch(() => {})
  server.close()
  return requests
}
for (const value of [undefined, '1', '0', new Date(0).toUTCString()])
  console.log(`retry-axios, Retry-After ${value}: ${await attempts(value)} requests`)
limited.close()
db.disconnect()
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
koa-ratelimit refuses with Retry-After 2, 1, 0; several times with 0: true
retry-axios, Retry-After undefined: 4 requests
retry-axios, Retry-After 1: 4 requests
retry-axios, Retry-After 0: 1 requests
retry-axios, Retry-After Thu, 01 Jan 1970 00:00:00 GMT: 1 requests
EXPECTED
