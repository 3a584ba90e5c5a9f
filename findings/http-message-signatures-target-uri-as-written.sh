#!/usr/bin/env bash
# http-message-signatures 1.0.6 signs "@target-uri" as the URL was written; http-message-sig 0.3.0 verifies it normalised.
#
# Guess: all derived components come from one parsed URL, so that a signature with "@target-uri" verifies for each URL with
#   which one with "@path" and "@authority" does.
# What happens: http-message-signatures parses the URL for "@path" ("/") and "@authority" (lower case, no default port), but
#   takes "@target-uri" from the text. A URL without a path, in upper case, or with a default port gives a value that a
#   receiver cannot rebuild from what arrives. http-message-sig, given the Request that was sent, refuses the signature.
# Why it matters: "@target-uri" is in the usual lists of components to sign. Sign "@method", "@authority", "@path" and
#   "@query" instead, or write the URL as `new URL(url).href`.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund http-message-signatures@1.0.6 http-message-sig@0.3.0
cat >find.js <<'JS'
import { createHmac, timingSafeEqual } from 'node:crypto'
import { verifySignature } from 'http-message-sig'
import { httpbis } from 'http-message-signatures'

const mac = (data) => createHmac('sha256', 'a-shared-secret').update(data).digest()
const verifier = { algorithm: 'hmac-sha256', verify: (data, signature) => timingSafeEqual(mac(data), signature) }

for (const url of [
  'https://shop.example/orders',
  'https://shop.example',
  'https://Shop.Example/orders',
  'https://shop.example:443/orders',
]) {
  const said = []
  for (const fields of [['@method', '@authority', '@path'], ['@method', '@target-uri']]) {
    const key = { id: 'shop', alg: 'hmac-sha256', sign: async (data) => mac(data) }
    const { headers } = await httpbis.signMessage(
      { key, name: 'sig1', fields },
      { method: 'POST', url, headers: {} },
    )
    const policy = { algorithms: ['hmac-sha256'], requiredComponents: fields, requiredParameters: ['created'] }
    const verified = verifySignature(new Request(url, { method: 'POST', headers }), {
      label: 'sig1',
      policy,
      resolveVerifier: () => verifier,
    })
    said.push(await verified.then(() => 'verified', ({ name }) => `refused (${name})`))
  }
  console.log(`${url}: "@authority" "@path" ${said[0]}, "@target-uri" ${said[1]}`)
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
https://shop.example/orders: "@authority" "@path" verified, "@target-uri" verified
https://shop.example: "@authority" "@path" verified, "@target-uri" refused (SignatureError)
https://Shop.Example/orders: "@authority" "@path" verified, "@target-uri" refused (SignatureError)
https://shop.example:443/orders: "@authority" "@path" verified, "@target-uri" refused (SignatureError)
EXPECTED
