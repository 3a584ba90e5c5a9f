#!/usr/bin/env bash
# rock-req 5.2.1: a POST that is redirected with 303 is posted again, body and all.
#
# Guess: 303 See Other leads to a GET of the Location, as its definition says (RFC 9110, section 15.4.4). Of 301 and 302,
#   which may stay a POST, clients make a GET by habit.
# What happens: 301 and 302 become a GET, 303 stays a POST with the body. 307 stays one, too, as it should.
# Why it matters: 303 is the usual response after an order was placed ("see it there"). The order is then sent a second
#   time, to the address of its page: 404 or 405 for an order that was placed, or another order where that address takes a
#   POST.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts rock-req@5.2.1
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import rock from 'rock-req'

const seen = []
const server = createServer(async (request, response) => {
  seen.push([request.method, request.url, await text(request)].join(' ').trim())
  const status = Number(request.url.slice(1)) || 200
  response.writeHead(status, status === 200 ? {} : { Location: '/page' }).end('{}')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')

for (const status of [302, 303, 307]) {
  await rock.promises.postJSON(`http://127.0.0.1:${server.address().port}/${status}`, { item: 'book' })
  console.log(seen.splice(0).join(', then '))
}
server.close()
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
POST /302 {"item":"book"}, then GET /page
POST /303 {"item":"book"}, then POST /page {"item":"book"}
POST /307 {"item":"book"}, then POST /page {"item":"book"}
EXPECTED
