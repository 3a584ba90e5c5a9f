#!/usr/bin/env bash
# @nest-lab/throttler-storage-redis 1.2.0: a client that goes on asking is refused for ever; with the store in memory it is not.
#
# Guess: as with the store in memory of @nestjs/throttler 6.7.1, its model: who has exceeded the limit is blocked for `ttl`, then
#   has the whole limit again, and requests that were refused do not count.
# What happens: each refused request is counted. The block ends and the count of the last `ttl`, which has nothing but refused
#   requests in it, is over the limit: the next request is blocked again. A client that sends 5 requests a second, where
#   3 in 2 seconds are allowed, gets 3 responses, and then none. With the store in memory it gets 3 in each 2 seconds.
# Why it matters: going from one process to several with Redis turns a slow client, such as a poller that ignores Retry-After,
#   into one that is locked out until it is silent for a whole `ttl`. It is one of the two for Redis that its README names.
# Needs redis-server, Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @nestjs/throttler@6.7.1 @nest-lab/throttler-storage-redis@1.2.0 \
  ioredis@5.8.2 @nestjs/common@11.2.10 @nestjs/core@11.2.10 @nestjs/platform-express@11.2.10 reflect-metadata@0.2.2 rxjs@7.8.2
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >find.js <<'JS'
require('reflect-metadata')
const { setTimeout: sleep } = require('node:timers/promises')
const { Controller, Get, Module } = require('@nestjs/common')
const { APP_GUARD, NestFactory } = require('@nestjs/core')
const { ThrottlerGuard, ThrottlerModule } = require('@nestjs/throttler')
const { ThrottlerStorageRedisService } = require('@nest-lab/throttler-storage-redis')
const { Redis } = require('ioredis')

class Orders {
  list() {
    return 'ok'
  }
}
Controller('orders')(Orders)
Get()(Orders.prototype, 'list', Object.getOwnPropertyDescriptor(Orders.prototype, 'list'))

async function run(name, storage) {
  class App {}
  Module({
    imports: [ThrottlerModule.forRoot({ throttlers: [{ limit: 3, ttl: 2_000 }], storage })],
    controllers: [Orders],
    providers: [{ provide: APP_GUARD, useClass: ThrottlerGuard }],
  })(App)
  const app = await NestFactory.create(App, { logger: false })
  await app.listen(0, '127.0.0.1')
  const url = `http://127.0.0.1:${app.getHttpServer().address().port}/orders`
  const begun = Date.now()
  let early = 0
  let late = 0
  while (Date.now() - begun < 11_000) {
    const response = await fetch(url)
    await response.text()
    if (response.status === 200 && Date.now() - begun < 1_500) early++
    else if (response.status === 200) late++
    await sleep(200)
  }
  console.log(`${name}, a request every 200 ms: ${early} of the first 1.5 seconds, ${late < 9 ? late : '9 or more'} of the next 9.5`)
  await sleep(4_500)
  console.log(`${name}, after 4.5 silent seconds: ${(await fetch(url)).status}`)
}

async function main() {
  await run('memory', undefined)
  await run('Redis', new ThrottlerStorageRedisService(new Redis({ path: 'redis' })))
  process.exit()
}
main()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
memory, a request every 200 ms: 3 of the first 1.5 seconds, 9 or more of the next 9.5
memory, after 4.5 silent seconds: 200
Redis, a request every 200 ms: 3 of the first 1.5 seconds, 0 of the next 9.5
Redis, after 4.5 silent seconds: 200
EXPECTED
