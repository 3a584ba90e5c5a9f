#!/usr/bin/env bash
# @interledger/open-payments 7.4.0 with ky 1.14.3: a request that is repeated is sent with "Signature: undefined".
#
# Guess: GET and DELETE are repeated twice after 429, 500, 502, 503 and 504, as ky does by default, and each of them is signed.
# What happens: ky calls the hook that signs for each attempt. The second time the request has a signature already; the new one is put beneath
#   its name, in lower case, and is then looked for as "Signature". So the headers are set to the text "undefined". The server
#   refuses the repeated request with 401, which is not repeated, and the caller gets status 401 in place of the 503.
# Why it matters: a server that is away for a second turns into "invalid client" for whoever asks for a payment in that second. Programs that
#   take a 401 for a revoked grant ask the customer for consent again. The first attempt is always right, so that no test shows it.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @interledger/open-payments@7.4.0 ky@1.14.3
cat >find.js <<'JS'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { createAuthenticatedClient } from '@interledger/open-payments'

let seen
let away
const server = createServer((request, response) => {
  const { signature } = request.headers
  seen.push(/^sig1=:.+:$/.test(signature ?? '') ? 'signed' : `Signature: ${signature}`)
  const status = away-- > 0 ? 503 : seen.at(-1) === 'signed' ? 200 : 401
  response.setHeader('Content-Type', 'application/json')
  response.writeHead(status, { 'Retry-After': '1' }).end(status === 401 ? '{"error":{"code":"invalid_client"}}' : '{}')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const host = `127.0.0.1:${server.address().port}`

const { privateKey } = generateKeyPairSync('ed25519')
const { incomingPayment, token } = await createAuthenticatedClient({
  walletAddressUrl: `https://${host}/alice`, privateKey, keyId: 'key-1', useHttp: true, validateResponses: false, logLevel: 'silent',
})
const calls = {
  'GET of a payment': () => incomingPayment.get({ url: `https://${host}/incoming-payments/1`, accessToken: 'token' }),
  'DELETE of a token': () => token.revoke({ url: `https://${host}/token/1`, accessToken: 'token' }),
}
for (const [name, call] of Object.entries(calls)) {
  for (const attempts of [0, 1]) {
    seen = []
    away = attempts
    const outcome = await call().then(() => 'a success', (error) => `status ${error.status}, ${error.code}`)
    console.log(`${name}, 503 first: ${attempts === 1}; the server saw ${seen.join(', then ')}; the caller sees ${outcome}`)
  }
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
GET of a payment, 503 first: false; the server saw signed; the caller sees a success
GET of a payment, 503 first: true; the server saw signed, then Signature: undefined; the caller sees status 401, invalid_client
DELETE of a token, 503 first: false; the server saw signed; the caller sees a success
DELETE of a token, 503 first: true; the server saw signed, then Signature: undefined; the caller sees status 401, invalid_client
EXPECTED
