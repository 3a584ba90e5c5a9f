#!/usr/bin/env bash
# @interledger/http-signature-utils 2.0.3: Content-Digest covers the JSON written again, not the body that is sent.
#
# Guess: Content-Digest is over the bytes of the body (RFC 9530, section 2), and Content-Length is their number.
# What happens: the length is that of the body, the digest that of JSON.stringify(JSON.parse(body)). A space, a number
#   written as 5.0, or an integer beyond 2^53 gives a digest that no receiver of the body can confirm. The signature
#   covers the digest, so that it is valid and the digest is wrong.
# Why it matters: clients that send JSON from another serialiser than JSON.stringify (a stored text, a template, a proxy of
#   requests) are refused by each server that checks the digest.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund @interledger/http-signature-utils@2.0.3
cat >find.js <<'JS'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { createHeaders } from '@interledger/http-signature-utils'

const { privateKey } = generateKeyPairSync('ed25519')
for (const body of ['{"amount":5}', '{"amount": 5}', '{"amount":5.0}', '{"amount":12345678901234567890}']) {
  const request = { method: 'POST', url: 'https://shop.example/orders', headers: {}, body }
  const headers = await createHeaders({ request, privateKey, keyId: 'shop' })
  const [, algorithm, digest] = /^(.*?)=:(.*):$/.exec(headers['Content-Digest'])
  const of = (text) => createHash(algorithm.replace('-', '')).update(text).digest('base64') === digest
  const covers = of(body) ? 'the body' : of(JSON.stringify(JSON.parse(body))) ? 'the JSON written again' : 'neither'
  console.log(`${body}: Content-Length ${headers['Content-Length']}, ${algorithm} of ${covers}`)
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
{"amount":5}: Content-Length 12, sha-512 of the body
{"amount": 5}: Content-Length 13, sha-512 of the JSON written again
{"amount":5.0}: Content-Length 14, sha-512 of the JSON written again
{"amount":12345678901234567890}: Content-Length 31, sha-512 of the JSON written again
EXPECTED
