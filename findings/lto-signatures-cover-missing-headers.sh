#!/usr/bin/env bash
# @ltonetwork/http-message-signatures 0.1.12 signs a header that is not there as an empty one, and "digest" by default.
#
# Guess: a covered header that is missing is an error, and the value of a header is trimmed (RFC 9421, sections 2.1 and 2.5).
#   The components that are signed by default are there in each request.
# What happens: the default components name "digest", the header of before RFC 9530. Without it, as with any other missing
#   header, the line `"digest": ` is signed. Runs of spaces within a value become one, and one space stays at each of its ends. The query of
#   an address without one is empty, where section 2.2.7 has "?".
# Why it matters: each request of the default settings is refused by a verifier that follows the RFC, since it cannot find the
#   header. Name the components, and only those that are there.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @ltonetwork/http-message-signatures@0.1.12
cat >find.js <<'JS'
import signatures from '@ltonetwork/http-message-signatures'

async function base(headers, components) {
  let signed
  const sign = (data) => {
    signed = Buffer.from(data).toString()
    return Buffer.alloc(32)
  }
  const request = { method: 'POST', url: 'https://example.com/orders', headers }
  const options = { signer: { keyid: 'k', alg: 'hmac-sha256', sign }, created: new Date(1_700_000_000_000) }
  await signatures.sign(request, components === undefined ? options : { ...options, components })
  // In brackets, so that spaces at the ends are seen.
  return signed.replace(/"@signature-params".*/s, '').replace(/: ?(.*)/g, (_, value) => `: [${value}]`).trim()
}

console.log(`by default:\n${await base({ 'Content-Type': 'application/json' })}`)
console.log(`missing:\n${await base({}, ['content-digest'])}`)
console.log(`spaces:\n${await base({ 'X-Note': '  a   b  ' }, ['x-note'])}`)
console.log(`no query:\n${await base({}, ['@query'])}`)
JS
node find.js | tee output
diff output - <<'EXPECTED'
by default:
"@method": [POST]
"@path": [/orders]
"@query": []
"@authority": [example.com]
"content-type": [application/json]
"digest": []
missing:
"content-digest": []
spaces:
"x-note": [ a b ]
no query:
"@query": []
EXPECTED
