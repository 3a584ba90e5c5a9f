#!/usr/bin/env bash
# ratelimit-header-parser 0.1.0 reads the RateLimit header of draft 8, as express-rate-limit 8.7.5 sends it, as NaN.
#
# Guess: the parser reads what the middleware of the same organisation sends, or falls back to the X-RateLimit headers that
#   are sent beside it.
# What happens: it knows the combined header of draft 7 only (`limit=2, remaining=1, reset=60`). That of draft 8
#   (`"2-in-1min"; r=1; t=60`, a list of RFC 9651) gives NaN and an invalid date, without an error, and wins over
#   X-RateLimit-Limit, X-RateLimit-Remaining and X-RateLimit-Reset in the same response.
# Why it matters: a client that waits until `reset` waits for NaN ms, which is no time at all; one that compares
#   `remaining > 0` believes that its quota is used up.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund express@5.2.1 express-rate-limit@8.7.5 ratelimit-header-parser@0.1.0
cat >find.js <<'JS'
import { once } from 'node:events'
import express from 'express'
import { rateLimit } from 'express-rate-limit'
import { parseRateLimit } from 'ratelimit-header-parser'

for (const draft of ['draft-7', 'draft-8']) {
  for (const legacyHeaders of [false, true]) {
    const app = express()
    app.use(rateLimit({ windowMs: 60_000, limit: 2, standardHeaders: draft, legacyHeaders }))
    app.get('/', (_, response) => response.end('ok'))
    const server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const response = await fetch(`http://127.0.0.1:${server.address().port}/`)
    const { limit, remaining, reset } = parseRateLimit(response)
    const header = response.headers.get('RateLimit')
    const time = Number.isNaN(reset.getTime()) ? 'an invalid date' : 'a date'
    const beside = legacyHeaders ? ` and X-RateLimit-Remaining: ${response.headers.get('X-RateLimit-Remaining')}` : ''
    console.log(`${draft}: ${header}${beside}: limit ${limit}, remaining ${remaining}, reset ${time}`)
    server.close()
    server.closeAllConnections()
  }
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
draft-7: limit=2, remaining=1, reset=60: limit 2, remaining 1, reset a date
draft-7: limit=2, remaining=1, reset=60 and X-RateLimit-Remaining: 1: limit 2, remaining 1, reset a date
draft-8: "2-in-1min"; r=1; t=60: limit NaN, remaining NaN, reset an invalid date
draft-8: "2-in-1min"; r=1; t=60 and X-RateLimit-Remaining: 1: limit NaN, remaining NaN, reset an invalid date
EXPECTED
