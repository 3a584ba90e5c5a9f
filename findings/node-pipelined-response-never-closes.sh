#!/usr/bin/env bash
# Node.js 20.20 and 22.23: a response that waits behind another one on its connection never emits 'close'.
#
# Guess: when a client leaves, each response that was begun on its connection emits 'close'.
# What happens: only the first does. A response of a pipelined request that waits for its turn (`res.socket` is null) emits
#   neither 'finish' nor 'close', and `destroyed` stays false. Node.js 24.21 and 26.10 emit 'close' for all of them.
# Why it matters: counting requests in flight by 'close' of their responses is usual in graceful shutdown. One client that
#   pipelines and leaves makes such a server wait until its grace period is over, at each stop.
# Needs npm and the programs that the npm package `node` brings for Linux; everything is on loopback.
# Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true}' >package.json
npm install --silent --no-audit --no-fund \
  node20@npm:node@20.20.2 node22@npm:node@22.23.3 node24@npm:node@24.21.0 node26@npm:node@26.10.0
cat >find.mjs <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const responses = []
const server = createServer((_, response) => {
  const one = { response, closed: false }
  responses.push(one)
  response.on('close', () => (one.closed = true))
}).listen(0, '127.0.0.1')
await once(server, 'listening')
const client = connect(server.address().port, '127.0.0.1')
client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(3))
while (responses.length < 3) await sleep(10)
client.destroy()
await sleep(1_500)
for (const [n, { response, closed }] of responses.entries()) {
  console.log(`response ${n + 1}: ${closed ? 'closed' : 'never closed'}, destroyed: ${response.destroyed}`)
}
process.exit(0)
JS
for version in 20 22 24 26; do
  "node_modules/node$version/bin/node" --version
  "node_modules/node$version/bin/node" find.mjs
done | tee output
diff output - <<'EXPECTED'
v20.20.2
response 1: closed, destroyed: true
response 2: never closed, destroyed: false
response 3: never closed, destroyed: false
v22.23.3
response 1: closed, destroyed: true
response 2: never closed, destroyed: false
response 3: never closed, destroyed: false
v24.21.0
response 1: closed, destroyed: true
response 2: closed, destroyed: true
response 3: closed, destroyed: true
v26.10.0
response 1: closed, destroyed: true
response 2: closed, destroyed: true
response 3: closed, destroyed: true
EXPECTED
