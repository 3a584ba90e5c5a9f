#!/usr/bin/env bash
# express-idempotency 1.0.6: a response that ends with res.end() blocks its key for ever; a replay loses Location.
#
# Guess: whatever way the handler responds, a retry gets the same response, as the name of the middleware says.
# What happens: only res.send() is watched, which res.json() calls. After `res.status(204).end()`, a redirect, or a stream
#   each retry gets 409 "A previous request is still in progress for this key", with no end. A replay has the status, the
#   body and Content-Type, and no other header: `201` with Location comes back without it.
# Why it matters: 204 for a cancellation and 201 with Location for a creation are the usual responses to what needs a key.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund express@5.2.1 express-idempotency@1.0.6
cat >find.js <<'JS'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import express from 'express'
import expressIdempotency from 'express-idempotency'

const { idempotency, getSharedIdempotencyService } = expressIdempotency
const app = express()
app.use(idempotency({}))
const handlers = {
  '/json': (response) => response.status(201).location('/orders/1').json({ id: 1 }),
  '/end': (response) => response.status(204).end(),
  '/redirect': (response) => response.redirect(303, '/orders/1'),
  '/stream': (response) => Readable.from(['{"id":1}']).pipe(response.type('json')),
}
for (const [path, respond] of Object.entries(handlers)) {
  app.post(path, (request, response) => {
    if (!getSharedIdempotencyService().isHit(request)) respond(response)
  })
}
app.use((error, _, response, next) => response.headersSent ? next(error) : response.end(error.message))
const server = app.listen(0, '127.0.0.1')
await once(server, 'listening')
for (const path of Object.keys(handlers)) {
  for (const what of ['first', 'retry']) {
    const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, {
      method: 'POST',
      headers: { 'Idempotency-Key': `key-${path.slice(1)}` },
      redirect: 'manual',
    })
    const location = response.headers.get('Location') ?? 'none'
    const text = response.status === 409 ? `: ${await response.text()}` : ''
    console.log(`${path} ${what}: ${response.status}, Location ${location}${text}`)
  }
}
process.exit(0)
JS
node find.js | tee output
diff output - <<'EXPECTED'
/json first: 201, Location /orders/1
/json retry: 201, Location none
/end first: 204, Location none
/end retry: 409, Location none: A previous request is still in progress for this key.
/redirect first: 303, Location /orders/1
/redirect retry: 409, Location none: A previous request is still in progress for this key.
/stream first: 200, Location none
/stream retry: 409, Location none: A previous request is still in progress for this key.
EXPECTED
