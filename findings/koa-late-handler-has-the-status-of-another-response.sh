#!/usr/bin/env bash
# koa 3.3.0 and 2.16.4: after a timeout has responded, `ctx.status = 201` is dropped in silence, and `ctx.body` is taken.
#
# Guess: where the response is out (koa-timeout-v2 1.0.0 races the handlers against a timer and responds 408), what a handler sets later
#   fails or is dropped as a whole. Middleware behind the timer sees either what the handler said, or an error.
# What happens: Koa ignores the status once headers are sent, and keeps the body. The handler goes on and ends well; a middleware
#   around it reads 408 together with the body of the success.
# Why it matters: what records outcomes by ctx.status (a log, a cache, a store of idempotency keys, a queue that tries again) takes the
#   booking for one that did not happen, and may do it a second time. Look at `ctx.headerSent` before ctx.status is believed.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts koa2@npm:koa@2.16.4 koa3@npm:koa@3.3.0 koa-timeout-v2@1.0.0
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import Koa2 from 'koa2'
import Koa3 from 'koa3'
import timeout from 'koa-timeout-v2'

for (const [version, Koa] of [['2.16.4', Koa2], ['3.3.0', Koa3]]) {
  for (const isSlow of [false, true]) {
    const app = new Koa()
    app.silent = true
    let recorded
    const ended = new Promise((resolve) => {
      app.use(timeout(isSlow ? 100 : 60_000))
      app.use(async (ctx, next) => {
        await next()
        recorded = `${ctx.status} ${JSON.stringify(ctx.body)}, headerSent ${ctx.headerSent}`
        resolve()
      })
    })
    app.use(async (ctx) => {
      if (isSlow) await once(ctx.res, 'finish')
      ctx.status = 201
      ctx.body = { booked: true }
    })
    const server = createServer(app.callback()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const response = await fetch(`http://127.0.0.1:${server.address().port}/`, { method: 'POST' })
    const received = `${response.status} ${await response.text()}`
    await ended
    console.log(`koa ${version}, ${isSlow ? 'slow' : 'quick'}: the client gets ${received}; behind the timer: ${recorded}`)
    server.close()
    server.closeAllConnections()
  }
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
koa 2.16.4, quick: the client gets 201 {"booked":true}; behind the timer: 201 {"booked":true}, headerSent false
koa 2.16.4, slow: the client gets 408 request time-out; behind the timer: 408 {"booked":true}, headerSent true
koa 3.3.0, quick: the client gets 201 {"booked":true}; behind the timer: 201 {"booked":true}, headerSent false
koa 3.3.0, slow: the client gets 408 request time-out; behind the timer: 408 {"booked":true}, headerSent true
EXPECTED
