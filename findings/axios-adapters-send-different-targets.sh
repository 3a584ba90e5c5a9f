#!/usr/bin/env bash
# axios 1.21.1: one request has two targets, depending on the adapter and on whether its query stands in url or in params.
#
# Guess: getUri() returns the address that is sent, and the HTTP and the fetch adapter send the same.
# What happens: the HTTP adapter parses `url` as the URL standard does (' becomes %27) and then appends `params` by rules of
#   its own (' stays); the fetch adapter parses the whole address. getUri() does not parse at all. So a query with an
#   apostrophe arrives as ' or as %27, and getUri() is right for one of four ways.
# Why it matters: the adapter is chosen by the environment (Node.js or an edge runtime). A signature over getUri() matches
#   on the desk and not behind it, for the customers named O'Neill alone.
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
import axios from 'axios'

const server = createServer((request, response) => response.end(JSON.stringify(request.url)))
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const baseURL = `http://127.0.0.1:${server.address().port}`

for (const adapter of ['http', 'fetch']) {
  for (const request of [{ url: '/q', params: { name: "O'Neill" } }, { url: "/q?name=O'Neill" }]) {
    const all = { ...request, adapter, baseURL }
    const { data } = await axios.request(all)
    const where = 'params' in request ? 'params' : 'url   '
    console.log(`${adapter.padEnd(5)} ${where} getUri ${axios.getUri(all).replace(baseURL, '')} arrives as ${data}`)
  }
}
server.close()
process.exit(0)
JS
node find.js | tee output
diff output - <<'EXPECTED'
http  params getUri /q?name=O'Neill arrives as /q?name=O'Neill
http  url    getUri /q?name=O'Neill arrives as /q?name=O%27Neill
fetch params getUri /q?name=O'Neill arrives as /q?name=O%27Neill
fetch url    getUri /q?name=O'Neill arrives as /q?name=O%27Neill
EXPECTED
