#!/usr/bin/env bash
# phin-retry 2.0.0: values of `qs` go into the address as they are, so that "Tom & Jerry" is another query.
#
# Guess: { qs: { item: 'Tom & Jerry' } } is sent as item=Tom%20%26%20Jerry, as every client with such an option does it.
# What happens: the pairs are joined with = and &, and no character is escaped. What stands behind & is a parameter of its
#   own, + is a space to the server, # ends the address, and what follows is not sent.
# Why it matters: a search for the order of a customer finds that of another one, or all of them, and the response is 200.
#   Escape each value with encodeURIComponent(), or make the address with URL and URLSearchParams.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts phin-retry@2.0.0
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import phin from 'phin-retry'

const server = createServer((request, response) => {
  const query = new URL(request.url, 'http://127.0.0.1').searchParams
  response.end(JSON.stringify(Object.fromEntries(query)))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
for (const qs of [
  { item: 'book', user: 'a' },
  { item: 'Tom & Jerry', user: 'a' },
  { item: 'C#', user: 'a' },
  { item: '1+1', user: 'a' },
]) {
  const seen = await phin.get({ url: `http://127.0.0.1:${server.address().port}/orders`, qs })
  console.log(`${JSON.stringify(qs)} arrives as ${JSON.stringify(seen)}`)
}
server.close()
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
{"item":"book","user":"a"} arrives as {"item":"book","user":"a"}
{"item":"Tom & Jerry","user":"a"} arrives as {"item":"Tom "," Jerry":"","user":"a"}
{"item":"C#","user":"a"} arrives as {"item":"C"}
{"item":"1+1","user":"a"} arrives as {"item":"1 1","user":"a"}
EXPECTED
