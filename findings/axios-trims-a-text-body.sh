#!/usr/bin/env bash
# axios 1.21.1: a text body that is JSON already is trimmed before it is sent, and text that is no JSON is put in quotes.
#
# Guess: what is an object is written as JSON; a string is sent as it is, since its author has written it.
# What happens: with Content-Type application/json a string is parsed. If it is JSON, it is sent without the white space
#   around it; if it is not, it is sent as a JSON string. Its bytes are kept only by a Buffer. The HTTP and the fetch
#   adapter do the same.
# Why it matters: a signature or digest over the text that was passed in, such as a file that ends in a newline, does not
#   match what arrives. A response of 401 says nothing about the newline.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts axios@1.21.1
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import axios from 'axios'

const server = createServer(async (request, response) => response.end(JSON.stringify(await text(request))))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const url = `http://127.0.0.1:${server.address().port}/`
const headers = { 'Content-Type': 'application/json' }

for (const adapter of ['http', 'fetch']) {
  for (const body of ['{"a":1}\n', ' {"a": 1} ', 'plain', Buffer.from('{"a":1}\n')]) {
    const { data } = await axios.post(url, body, { adapter, headers })
    const kind = typeof body === 'string' ? 'text  ' : 'Buffer'
    console.log(`${adapter.padEnd(5)} ${kind} ${JSON.stringify(String(body))} arrives as ${JSON.stringify(data)}`)
  }
}
server.close()
process.exit(0)
JS
node find.js | tee output
diff output - <<'EXPECTED'
http  text   "{\"a\":1}\n" arrives as "{\"a\":1}"
http  text   " {\"a\": 1} " arrives as "{\"a\": 1}"
http  text   "plain" arrives as "\"plain\""
http  Buffer "{\"a\":1}\n" arrives as "{\"a\":1}\n"
fetch text   "{\"a\":1}\n" arrives as "{\"a\":1}"
fetch text   " {\"a\": 1} " arrives as "{\"a\": 1}"
fetch text   "plain" arrives as "\"plain\""
fetch Buffer "{\"a\":1}\n" arrives as "{\"a\":1}\n"
EXPECTED
