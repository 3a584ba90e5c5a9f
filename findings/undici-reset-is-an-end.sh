#!/usr/bin/env bash
# undici 7.30.2: a reset in the middle of a response without a length is a complete response.
#
# Guess: a connection that is reset (RST) fails the response, as a cut chunked one does; only a close (FIN) ends a
#   response that has neither Content-Length nor chunked coding (RFC 9112, section 6.3 and 8).
# What happens: the body ends without an error, with the bytes that had arrived. node:http reports ECONNRESET for the same
#   bytes. `fetch` of Node.js is undici, too.
# Why it matters: backends that answer with HTTP/1.0, CGI or php -S send no length. A client or proxy that stores such a
#   response under an idempotency key stores half of it, and replays it for ever.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund undici@7.30.2
cat >find.js <<'JS'
import { once } from 'node:events'
import http from 'node:http'
import { createServer } from 'node:net'
import { request } from 'undici'

const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.once('data', () => {
    socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nthe first half')
    setTimeout(() => socket.resetAndDestroy(), 3_000)
  })
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${server.address().port}/`
const told = (promise) => promise.then((text) => `complete: ${text}`, (error) => `failed: ${error.code}`)

const byNode = new Promise((resolve, reject) => {
  http.get(url, { agent: false }, (response) => {
    let text = ''
    response.setEncoding('utf8').on('data', (chunk) => (text += chunk))
    response.on('end', () => resolve(text)).on('error', reject)
  }).on('error', reject)
})
console.log(`node:http ${await told(byNode)}`)
console.log(`undici    ${await told(request(url).then(({ body }) => body.text()))}`)
console.log(`fetch     ${await told(fetch(url).then((response) => response.text()))}`)
server.close()
process.exit(0)
JS
node --version
node find.js | tee output
diff output - <<'EXPECTED'
node:http failed: ECONNRESET
undici    complete: the first half
fetch     complete: the first half
EXPECTED
