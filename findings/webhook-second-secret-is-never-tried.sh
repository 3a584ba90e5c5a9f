#!/usr/bin/env bash
# webhook 2.8.0 (Debian 12, adnanh/webhook): in an `or` of two secrets the second one is never tried, and a wrong signature is a 500.
#
# Guess: `or` of two payload-hmac-sha256 rules takes a delivery that either secret has signed, as while a secret rotates.
#   One that neither has signed gets trigger-rule-mismatch-http-response-code.
# What happens: a signature that does not match is an error and ends the evaluation: 500 "Error occurred while evaluating
#   hook rules", also in an `or`, and whatever code is set for a mismatch. A missing header is a mismatch. With
#   "trigger-signature-soft-failures" all of it is as guessed.
# Why it matters: rotation with the old secret in second place refuses each delivery that is still signed with it, and
#   senders repeat a 500 for days.
# Needs apt-get of Debian 12, Node.js and curl; installs nothing outside a temporary folder. Fails when the behaviour
# changes.
set -euo pipefail

folder=$(mktemp -d)
chmod 755 "$folder"
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -q webhook=2.8.0-4+b6 2>&1 | grep -v '^Get' >&2 || true
for package in *.deb; do dpkg-deb -x "$package" root; done

port=$((20000 + RANDOM % 10000))
cat >hooks.js <<'JS'
const signedWith = (secret) => ({
  match: { type: 'payload-hmac-sha256', secret, parameter: { source: 'header', name: 'X-Signature' } },
})
const hook = (id, options) => ({
  id,
  'execute-command': '/bin/true',
  'trigger-rule': { or: [signedWith('new'), signedWith('old')] },
  'trigger-rule-mismatch-http-response-code': 403,
  ...options,
})
console.log(JSON.stringify([hook('plain', {}), hook('soft', { 'trigger-signature-soft-failures': true })]))
JS
node hooks.js >hooks.json
root/usr/bin/webhook -version
root/usr/bin/webhook -hooks hooks.json -ip 127.0.0.1 -port "$port" >log 2>&1 &
pid=$!
trap 'kill "$pid"; wait; rm -rf "$folder"' EXIT
cat >find.js <<'JS'
const { createHmac } = require('node:crypto')
;(async () => {
  for (const id of ['plain', 'soft']) {
    const statuses = []
    for (const secret of ['new', 'old', 'another', undefined]) {
      const headers = { 'Content-Type': 'application/json' }
      if (secret) headers['X-Signature'] = createHmac('sha256', secret).update('{}').digest('hex')
      const { status } = await fetch(`http://127.0.0.1:${process.argv[2]}/hooks/${id}`, { method: 'POST', headers, body: '{}' })
      statuses.push(`${secret ?? 'no signature'} ${status}`)
    }
    console.log(`${id}: ${statuses.join(', ')}`)
  }
})()
JS
curl -s --retry 50 --retry-connrefused --retry-delay 1 -o up "http://127.0.0.1:$port/"
node find.js "$port" | tee output
diff output - <<'EXPECTED'
plain: new 200, old 500, another 500, no signature 403
soft: new 200, old 200, another 403, no signature 403
EXPECTED
