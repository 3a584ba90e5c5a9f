#!/usr/bin/env bash
# @misskey-dev/node-http-message-signatures 0.0.10: "@query" without a query is empty, and "@request-target" is not RFC 9421's.
#
# Guess: the signature base follows RFC 9421: "@query" of a request without a query is "?" (2.2.7), and "@request-target" is
#   the target as sent, "/orders?limit=2" (2.2.5).
# What happens: "@query" is empty. "@request-target" is "post /orders": the method in lower case as in the older draft of
#   Cavage, and without the query. http-message-signatures 1.0.6 builds both as the RFC has them.
# Why it matters: servers of the fediverse use this package. A signature that covers one of the two components and was
#   made by another library does not verify, and the other way round.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund \
  @misskey-dev/node-http-message-signatures@0.0.10 http-message-signatures@1.0.6
cat >find.js <<'JS'
import { RFC9421SignatureBaseFactory } from '@misskey-dev/node-http-message-signatures'
import { httpbis } from 'http-message-signatures'

const fields = ['@method', '@query', '@request-target']
for (const target of ['/orders', '/orders?limit=2']) {
  const request = { method: 'POST', url: `https://shop.example${target}`, headers: { host: 'shop.example' } }
  let other = ''
  const key = { id: 'shop', alg: 'hmac-sha256', sign: async (data) => Buffer.from((other = data.toString())) }
  const { headers } = await httpbis.signMessage({ key, name: 'sig1', fields, params: ['keyid'] }, request)
  const signed = { ...request, headers: { ...request.headers, 'signature-input': headers['Signature-Input'] } }
  const own = new RFC9421SignatureBaseFactory(signed).generate('sig1')
  for (const [name, base] of [['misskey', own], ['http-message-signatures', other]]) {
    console.log(`${target}, ${name}: ${base.split('\n').slice(1, 3).join('  ')}`)
  }
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
/orders, misskey: "@query":   "@request-target": post /orders
/orders, http-message-signatures: "@query": ?  "@request-target": /orders
/orders?limit=2, misskey: "@query": ?limit=2  "@request-target": post /orders
/orders?limit=2, http-message-signatures: "@query": ?limit=2  "@request-target": /orders?limit=2
EXPECTED
