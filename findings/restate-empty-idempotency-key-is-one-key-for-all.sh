#!/usr/bin/env bash
# Restate 1.7.12: an empty Idempotency-Key is a key like any other, and a key with another body gets the response of the first request.
#
# Guess: an Idempotency-Key without a value is refused or counts as none, so that each request is carried out. The same key with
#   another body is refused (the draft of the IETF has 422 for it). Two lines with the header are refused.
# What happens: all requests with an empty key to a handler are one call for a day: the second client is told that 20 were charged to
#   customer A, and customer B is not charged. Another body under a key, be it empty or not, gets the response of the first one, with
#   200 and without a hint. Of two lines the first one counts. The quotes of the draft belong to the key: "k1" and k1 are two charges.
# Why it matters: a client or a proxy that sets the header from a variable that is not set (`Idempotency-Key: ${id}`) works in the
#   first test, and afterwards no request is carried out, all with 200. A key that is made twice is a payment that is lost. Refuse the
#   empty key in front of the ingress, and compare the amount of the response with the one that was sent.
# Needs Node.js 20 or newer and npm; the server comes from npm (Linux on x64). Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @restatedev/restate-server@1.7.12 @restatedev/restate-sdk@1.17.2
node_modules/@restatedev/restate-server-linux-x64/bin/restate-server --base-dir data --node-name node --listen-mode unix --no-logo >log 2>&1 &
pid=$!
cat >find.js <<'JS'
// For Node.js 20, which does not have it.
Promise.withResolvers ??= () => {
  const made = {}
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}
import { once } from 'node:events'
import { request } from 'node:http'
import { createServer } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { createEndpointHandler, service } from '@restatedev/restate-sdk'

let charges = 0
const charge = async (_, { customer, amount }) => ({ charge: ++charges, customer, amount })
const server = createServer(createEndpointHandler({ services: [service({ name: 'Pay', handlers: { charge } })] })).listen(0, '127.0.0.1')
await once(server, 'listening')

function post(socketPath, path, body, keys = []) {
  const headers = ['content-type', 'application/json', ...keys.flatMap((key) => ['Idempotency-Key', key])]
  return new Promise((resolve, reject) => {
    request({ socketPath: `data/node/${socketPath}`, method: 'POST', path, headers: ['host', 'restate', ...headers] }, async (response) => {
      resolve(`${response.statusCode} ${Buffer.concat(await response.toArray())}`)
    }).on('error', reject).end(JSON.stringify(body))
  })
}
const uri = `http://127.0.0.1:${server.address().port}`
for (let i = 0; i < 100; i++) {
  if (await post('admin.sock', '/deployments', { uri }).then((text) => text.startsWith('201'), () => false)) break
  await sleep(300)
}
async function show(customer, amount, ...keys) {
  const response = await post('ingress.sock', '/Pay/charge', { customer, amount }, keys)
  console.log(`${customer} ${amount}, key ${keys.map((key) => `'${key}'`).join(' and ') || 'none'}: ${response}`)
}
await show('A', 20)
await show('B', 30)
await show('A', 20, '')
await show('B', 30, '')
await show('A', 20, 'k1')
await show('B', 30, 'k1')
await show('A', 20, '"k1"')
await show('B', 30, 'k1', 'k2')
console.log(`charges: ${charges}`)
process.exit()
JS
node find.js >output 2>>log || { cat output log; exit 1; }
grep -v '^\[restate\]' output | tee shown
diff shown - <<'EXPECTED'
A 20, key none: 200 {"charge":1,"customer":"A","amount":20}
B 30, key none: 200 {"charge":2,"customer":"B","amount":30}
A 20, key '': 200 {"charge":3,"customer":"A","amount":20}
B 30, key '': 200 {"charge":3,"customer":"A","amount":20}
A 20, key 'k1': 200 {"charge":4,"customer":"A","amount":20}
B 30, key 'k1': 200 {"charge":4,"customer":"A","amount":20}
A 20, key '"k1"': 200 {"charge":5,"customer":"A","amount":20}
B 30, key 'k1' and 'k2': 200 {"charge":4,"customer":"A","amount":20}
charges: 5
EXPECTED
