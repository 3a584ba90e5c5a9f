#!/usr/bin/env bash
# koa2-ratelimit 1.1.3 with its RedisStore: requests that come together count as one, and the limit is reset in 1970.
#
# Guess: with Redis the limit holds for all processes, as its README promises for many servers: of 20 requests that come at once, 5
#   get in. X-RateLimit-Reset is the time when the window ends, as with the store in memory.
# What happens: the store reads the counter, and if there is none it writes 1; of requests that come before the first write is done
#   each one writes 1. With Redis 100 ms away all 20 get in, and 4 more after them. From the second request on the reset is made from the seconds
#   that are left, taken for a date: 1, which is the first second of 1970. Retry-After is the whole interval at any time.
# Why it matters: a window always begins with an empty key, so a client that sends its requests at once each time has no limit at
#   all. A client that waits until the time in X-RateLimit-Reset does not wait.
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
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
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
  const together = await Promise.all(Array.from({ length: 20 }, send))
  const after = []
  for (let i = 0; i < 10; i++) after.push(await send())
  const count = (responses) => responses.filter(({ status }) => status === 200).length
  console.log(`${name}: ${count(together)} of 20 at once get in, then ${count(after)} of 10`)
  const { headers } = after[9]
  const reset = Number(headers.get('X-RateLimit-Reset')) - Date.now() / 1000
  const when = reset > 0 && reset < 61 ? 'within a minute' : headers.get('X-RateLimit-Reset')
  console.log(`${name}: X-RateLimit-Reset ${when}, Retry-After ${headers.get('Retry-After')}`)
}
await run('Memory', new Stores.Memory())

// Redis is 100 ms away, so that the result does not depend on the machine.
const proxy = createServer((socket) => {
  const redis = connect('redis')
  socket.on('data', async (data) => {
    await sleep(100)
    redis.write(data)
  })
  redis.pipe(socket)
})
proxy.listen(0, '127.0.0.1')
await once(proxy, 'listening')
await run('Redis', new Stores.Redis({ socket: { host: '127.0.0.1', port: proxy.address().port } }))
process.exit()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
Memory: 5 of 20 at once get in, then 0 of 10
Memory: X-RateLimit-Reset within a minute, Retry-After 60
Redis: 20 of 20 at once get in, then 4 of 10
Redis: X-RateLimit-Reset 1, Retry-After 60
EXPECTED
