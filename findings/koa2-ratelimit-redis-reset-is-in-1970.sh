#!/usr/bin/env bash
# koa2-ratelimit 1.1.3 with its RedisStore: from the second request on X-RateLimit-Reset is in 1970.
#
# Guess: X-RateLimit-Reset is the time when the window ends, as with the store in memory, and Retry-After the seconds until then.
# What happens: the reset is made from the seconds that are left, taken for a date: 1, which is the first second of 1970. Retry-After
#   is the whole interval at any time, with both stores.
# Why it matters: a client that waits until the time in X-RateLimit-Reset does not wait, and is refused again; one that keeps to
#   Retry-After waits for a minute where a second would do.
# Needs redis-server, Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts koa2-ratelimit@1.1.3 koa@3.1.1 redis@5.12.1
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
for i in $(seq 100); do test -S redis && break; sleep 0.1; done
cat >find.js <<'JS'
import { once } from 'node:events'
import Koa from 'koa'
import koa2Ratelimit from 'koa2-ratelimit'

const { RateLimit, Stores } = koa2Ratelimit
async function run(name, store) {
  const app = new Koa()
  app.use(RateLimit.middleware({ interval: { min: 1 }, max: 5, store }))
  app.use((ctx) => {
    ctx.body = 'ok'
  })
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const send = async () => {
    const response = await fetch(`http://127.0.0.1:${server.address().port}/`)
    await response.text()
    return response
  }
  const responses = []
  for (let i = 0; i < 6; i++) responses.push(await send())
  const { status, headers } = responses[5]
  const reset = Number(headers.get('X-RateLimit-Reset')) - Date.now() / 1000
  const when = reset > 0 && reset < 61 ? 'within a minute' : headers.get('X-RateLimit-Reset')
  console.log(`${name}: ${status}, X-RateLimit-Reset ${when}, Retry-After ${headers.get('Retry-After')}`)
}
await run('Memory', new Stores.Memory())

await run('Redis', new Stores.Redis({ socket: { path: 'redis' } }))
process.exit()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
Memory: 429, X-RateLimit-Reset within a minute, Retry-After 60
Redis: 429, X-RateLimit-Reset 1, Retry-After 60
EXPECTED
