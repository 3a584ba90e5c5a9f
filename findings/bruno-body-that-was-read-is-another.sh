#!/usr/bin/env bash
# @usebruno/cli 4.1.0: a script that sets the body that it has read sends another body.
#
# Guess: req.setBody(req.getBody()) changes nothing, since the body is the text of the request.
# What happens: getBody() gives the JSON as it was parsed, and setBody() writes it again: 10.0 becomes 10, white space and
#   escapes go, and a whole number of 20 digits is rounded. Without a script the text goes out as it was written. With
#   { raw: true } in both calls it does so, too.
# Why it matters: a script that signs the text of the request file, or resolves variables in a body, makes the signature
#   wrong, and may change the amount or an id.
# Needs Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @usebruno/cli@4.1.0
mkdir collection
echo '{"version":"1","name":"bodies","type":"collection"}' >collection/bruno.json

# request SEQ NAME SCRIPT
request() {
  cat >"collection/$2.bru" <<BRU
meta {
  name: $2
  type: http
  seq: $1
}

post {
  url: {{base}}/$2
  body: json
  auth: none
}

body:json {
  {"id": 12345678901234567890, "amount": 10.0, "name": "K\u00e4se"}
}
$3
BRU
}
request 1 plain ''
request 2 parsed 'script:pre-request {
  req.setBody(req.getBody())
}'
request 3 raw 'script:pre-request {
  req.setBody(req.getBody({ raw: true }), { raw: true })
}'
cat >find.js <<'JS'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'

const server = createServer(async (request, response) => {
  console.log(`${request.url}: ${await text(request)}`)
  response.end()
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const base = `base=http://127.0.0.1:${server.address().port}`
const options = { cwd: 'collection', stdio: ['ignore', 'ignore', 'inherit'] }
const [code] = await once(spawn('../node_modules/.bin/bru', ['run', '--env-var', base], options), 'close')
if (code !== 0) throw new Error(`bru ended with ${code}`)
server.close()
JS
node find.js | tee output
diff output - <<'EXPECTED'
/plain: {"id": 12345678901234567890, "amount": 10.0, "name": "K\u00e4se"}
/parsed: {"id":12345678901234567000,"amount":10,"name":"Käse"}
/raw: {"id": 12345678901234567890, "amount": 10.0, "name": "K\u00e4se"}
EXPECTED
