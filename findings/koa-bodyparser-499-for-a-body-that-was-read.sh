#!/usr/bin/env bash
# Behind a middleware that has read the body, @koa/bodyparser 6.1.0 responds 499 "Request already closed", without an error.
#
# Guess: a body parser that finds the body read already throws an error that says so, as raw-body does ("stream is not readable").
# What happens: koa-bodyparser 4.4.1 and koa-body 8.0.1 do throw it. @koa/bodyparser, the successor of the first, responds by itself
#   with 499: the handler is not called, and neither the event "error" of the app nor a middleware in front sees an error.
# Why it matters: a second reader gets into an app easily, by a middleware that checks a signature over the body or logs it. Logs and
#   dashboards then show clients that have left, each of which is still there and gets a status that blames it.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts koa@3.3.0 koa-bodyparser@4.4.1 @koa/bodyparser@6.1.0 koa-body@8.0.1
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { bodyParser } from '@koa/bodyparser'
import Koa from 'koa'
import { koaBody } from 'koa-body'
import koaBodyparser from 'koa-bodyparser'

const parsers = { 'koa-bodyparser': koaBodyparser(), '@koa/bodyparser': bodyParser(), 'koa-body': koaBody() }
for (const isRead of [false, true]) {
  for (const [name, parser] of Object.entries(parsers)) {
    const errors = []
    const app = new Koa()
    app.on('error', ({ message }) => errors.push(message))
    if (isRead) app.use(async (ctx, next) => void (await text(ctx.req), await next()))
    app.use(parser)
    app.use((ctx) => {
      ctx.body = ctx.request.body
    })
    const server = createServer(app.callback()).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${server.address().port}/`
    const headers = { 'Content-Type': 'application/json' }
    const response = await fetch(url, { method: 'POST', body: '{"a":"b"}', headers })
    const outcome = `${response.status} ${await response.text()}`
    console.log(`${isRead ? 'behind another' : 'alone'}, ${name}: ${outcome}; errors: ${errors.join(', ') || 'none'}`)
    server.close()
    server.closeAllConnections()
  }
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
alone, koa-bodyparser: 200 {"a":"b"}; errors: none
alone, @koa/bodyparser: 200 {"a":"b"}; errors: none
alone, koa-body: 200 {"a":"b"}; errors: none
behind another, koa-bodyparser: 500 Internal Server Error; errors: stream is not readable
behind another, @koa/bodyparser: 499 Request already closed; errors: none
behind another, koa-body: 500 Internal Server Error; errors: stream is not readable
EXPECTED
