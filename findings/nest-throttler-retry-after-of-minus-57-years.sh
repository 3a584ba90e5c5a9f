#!/usr/bin/env bash
# @nestjs-redis/throttler-storage 1.0.0: a refused request has "Retry-After: -1796039580", and clients then retry at once.
#
# Guess: Retry-After has the seconds until the block ends, as with the store in memory of @nestjs/throttler 6.7.1.
# What happens: the time now, in seconds, is taken from the milliseconds that are left: the header is the time since 1970, with a
#   minus. ky 1.14.3 and got 14.6.6, which wait for 2 seconds where the store in memory is used, take it for a wait that is
#   over and send their retries within milliseconds of each other; all are refused.
# Why it matters: what should hold back a client makes it hurry, and only in production, where Redis is used. The README of
#   @nestjs/throttler names this store.
# Needs redis-server, Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @nestjs/throttler@6.7.1 @nestjs-redis/throttler-storage@1.0.0 \
  redis@5.12.1 @nestjs/common@11.2.10 @nestjs/core@11.2.10 @nestjs/platform-express@11.2.10 reflect-metadata@0.2.2 rxjs@7.8.2 \
  ky@1.14.3 got@14.6.6
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >find.js <<'JS'
require('reflect-metadata')
const { Controller, Get, Module } = require('@nestjs/common')
const { APP_GUARD, NestFactory } = require('@nestjs/core')
const { ThrottlerGuard, ThrottlerModule } = require('@nestjs/throttler')
const { RedisThrottlerStorage } = require('@nestjs-redis/throttler-storage')
const { createClient } = require('redis')

class Orders {
  list() {
    return 'ok'
  }
}
Controller('orders')(Orders)
Get()(Orders.prototype, 'list', Object.getOwnPropertyDescriptor(Orders.prototype, 'list'))

async function run(name, storage, clients) {
  class App {}
  Module({
    imports: [ThrottlerModule.forRoot({ throttlers: [{ limit: 3, ttl: 2_000, blockDuration: 2_000 }], storage })],
    controllers: [Orders],
    providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
  })(App)
  const app = await NestFactory.create(App, { logger: false })
  let times = []
  app.use((request, response, next) => {
    times.push(Date.now())
    next()
  })
  await app.listen(0, '127.0.0.1')
  const url = `http://127.0.0.1:${app.getHttpServer().address().port}/orders`
  for (const [clientName, send] of Object.entries(clients)) {
    let response
    do response = await fetch(url)
    while (response.status === 200)
    const wait = Number(response.headers.get('Retry-After'))
    times = []
    const outcome = await send(url).then(
      () => 'succeeds',
      (error) => error.message.slice(0, 35),
    )
    const pauses = times.slice(1).map((time, i) => (time - times[i] < 500 ? 'at once' : 'over a second'))
    console.log(`${name}: Retry-After ${wait < -1e9 ? 'less than -1000000000' : wait}; ${clientName}: ${outcome}, retries: ${pauses}`)
  }
}

async function main() {
  const { default: ky } = await import('ky')
  const { default: got } = await import('got')
  const clients = { ky: (url) => ky(url, { retry: 2 }), got: (url) => got(url, { retry: { limit: 2 } }) }
  const redis = createClient({ socket: { path: 'redis' } }).on('error', () => {})
  await redis.connect()
  await run('memory', undefined, clients)
  await run('Redis', new RedisThrottlerStorage(redis), clients)
  process.exit()
}
main()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
memory: Retry-After 2; ky: succeeds, retries: over a second
memory: Retry-After 2; got: succeeds, retries: over a second
Redis: Retry-After less than -1000000000; ky: Request failed with status code 429, retries: at once,at once
Redis: Retry-After less than -1000000000; got: Request failed with status code 429, retries: at once,at once
EXPECTED
