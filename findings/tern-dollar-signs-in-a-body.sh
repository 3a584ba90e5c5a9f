#!/usr/bin/env bash
# @hookflo/tern 4.1.0: a delivery whose body has "$$", "$&" or "$'" is refused as "Invalid signature".
#
# Guess: whatever text a body has, a delivery that is signed as Standard Webhooks demand verifies.
# What happens: the text that was signed is built from a template with String.replace(), to which $$, $&, $` and $' in the
#   replacement are instructions. The body that is verified is then another one. "$5" and "$1" pass. With several v1 in the
#   header of Stripe, as while a secret rotates, only the last one counts.
# Why it matters: all test deliveries pass. The one about the product "2 for $$" is refused at each retry, until the sender
#   gives it up or disables the endpoint.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @hookflo/tern@4.1.0 standardwebhooks@1.1.1
cat >find.js <<'JS'
import { createHmac } from 'node:crypto'
import tern from '@hookflo/tern'
import { Webhook } from 'standardwebhooks'

const { WebhookVerificationService: service } = tern
const verify = async (platform, secret, headers, body) => {
  const request = new Request('http://127.0.0.1/', { method: 'POST', headers, body })
  const { isValid, error } = await service.verifyWithPlatformConfig(request, platform, secret)
  return isValid ? 'valid' : error
}

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const now = new Date()
const seconds = String(Math.floor(now / 1_000))
for (const note of ['2 for $5', '2 for $$', 'US$&CA$', "A$'s"]) {
  const body = JSON.stringify({ note })
  const headers = {
    'webhook-id': 'evt_1',
    'webhook-timestamp': seconds,
    'webhook-signature': new Webhook(secret).sign('evt_1', now, body),
  }
  console.log(`${body}: ${await verify('dodopayments', secret, headers, body)}`)
}

const v1 = (key) => `v1=${createHmac('sha256', key).update(`${seconds}.{}`).digest('hex')}`
for (const keys of [['old', 'new'], ['new', 'old']]) {
  const headers = { 'Stripe-Signature': [`t=${seconds}`, ...keys.map(v1)].join() }
  console.log(`Stripe, signed with ${keys.join(' and ')}: ${await verify('stripe', 'new', headers, '{}')}`)
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
{"note":"2 for $5"}: valid
{"note":"2 for $$"}: Invalid signature
{"note":"US$&CA$"}: Invalid signature
{"note":"A$'s"}: Invalid signature
Stripe, signed with old and new: valid
Stripe, signed with new and old: Invalid signature
EXPECTED
