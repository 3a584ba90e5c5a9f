#!/usr/bin/env bash
# hmac-auth-express 8.3.4: on Express 4 a GET must be signed as if it had the body {}, on Express 5 as if it had none.
#
# Guess: "the MD5 of your JSON body" is a part of the signature if there is a body. A GET, made with generate() of the package without
#   a body, verifies on each Express.
# What happens: the package needs express.json() before it. That of Express 4 sets `request.body` to {} when there is no body, and the
#   MD5 of "{}" is expected: 401 "HMAC's did not match". Express 5 leaves it undefined, and the same request is verified. A GET signed
#   with {} is verified on 4 and refused on 5.
# Why it matters: clients that were made to work with a server on Express 4 get 401 on each GET and DELETE when that server goes to
#   Express 5, and nothing in the server's code has changed.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts hmac-auth-express@8.3.4 express4@npm:express@4.21.2 \
  express5@npm:express@5.1.0
cat >find.js <<'JS'
import { once } from 'node:events'
import express4 from 'express4'
import express5 from 'express5'
import hmacAuth from 'hmac-auth-express'

const { generate, HMAC } = hmacAuth
const secret = 'a-secret-for-tests'
for (const [name, express] of Object.entries({ 'Express 4.21.2': express4, 'Express 5.1.0': express5 })) {
  const app = express()
  app.use(express.json())
  app.use(HMAC(secret))
  app.all('/orders', (request, response) => response.send('ok'))
  app.use((error, request, response, next) => response.status(error.status ?? 500).send(error.message))
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const send = async (what, method, signedBody, body) => {
    const time = String(Date.now())
    const digest = generate(secret, 'sha256', time, method, '/orders', signedBody).digest('hex')
    const headers = { Authorization: `HMAC ${time}:${digest}` }
    if (body !== undefined) headers['Content-Type'] = 'application/json'
    const url = `http://127.0.0.1:${server.address().port}/orders`
    const response = await fetch(url, { method, headers, body: body && JSON.stringify(body) })
    console.log(`${name}, ${what}: ${response.status} ${await response.text()}`)
  }
  await send('POST with a body', 'POST', { item: 'book' }, { item: 'book' })
  await send('GET signed without a body', 'GET')
  await send('DELETE signed without a body', 'DELETE')
  await send('GET signed with {}', 'GET', {})
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
Express 4.21.2, POST with a body: 200 ok
Express 4.21.2, GET signed without a body: 401 HMAC's did not match
Express 4.21.2, DELETE signed without a body: 401 HMAC's did not match
Express 4.21.2, GET signed with {}: 200 ok
Express 5.1.0, POST with a body: 200 ok
Express 5.1.0, GET signed without a body: 200 ok
Express 5.1.0, DELETE signed without a body: 200 ok
Express 5.1.0, GET signed with {}: 401 HMAC's did not match
EXPECTED
