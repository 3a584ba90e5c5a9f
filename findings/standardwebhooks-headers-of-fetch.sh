#!/usr/bin/env bash
# standardwebhooks 1.1.1 and svix 2.5.0: `request.headers` of a fetch handler has no headers, and svix 2 returns no event.
#
# Guess: verify(body, headers) takes the headers of any server: the object of Node.js, and the Headers of a Request as Hono,
#   Next.js, Deno and Workers have it. It returns the event, or throws WebhookVerificationError.
# What happens: of a Headers or a Map no name is seen: "Missing required headers", although the delivery is right. A body as
#   Uint8Array throws a plain Error. standardwebhooks returns the parsed event, and for a rightly signed body that is not
#   JSON it throws a SyntaxError. svix 1.99 returned the event as well; svix 2 returns undefined.
# Why it matters: a receiver refuses each delivery until its endpoint is disabled, or verifies and then acts on undefined. Give
#   Object.fromEntries(request.headers) and a Buffer, and parse the body after verify().
# Needs Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts standardwebhooks@1.1.1 svix@npm:svix@2.5.0 svix-1@npm:svix@1.99.1
cat >find.js <<'JS'
import { Webhook } from 'standardwebhooks'
import { Webhook as Svix } from 'svix'
import { Webhook as Svix1 } from 'svix-1'

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const now = new Date()
const signed = (body) => ({
  'webhook-id': 'evt_1',
  'webhook-timestamp': String(Math.floor(now / 1_000)),
  'webhook-signature': new Webhook(secret).sign('evt_1', now, body),
})
const body = '{"type":"order.created"}'
const told = (verify) => {
  try {
    return JSON.stringify(verify()) ?? 'undefined'
  } catch (error) {
    return `${error.name}: ${error.message.split(',')[0]}`
  }
}
for (const [name, Library] of [['standardwebhooks', Webhook], ['svix 2', Svix], ['svix 1', Svix1]]) {
  const webhook = new Library(secret)
  console.log(`${name}, object: ${told(() => webhook.verify(body, signed(body)))}`)
  console.log(`${name}, Headers: ${told(() => webhook.verify(body, new Headers(signed(body))))}`)
  console.log(`${name}, Uint8Array: ${told(() => webhook.verify(new TextEncoder().encode(body), signed(body)))}`)
  console.log(`${name}, not JSON: ${told(() => webhook.verify('hello', signed('hello'))).replace(/:.*/, '')}`)
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
standardwebhooks, object: {"type":"order.created"}
standardwebhooks, Headers: WebhookVerificationError: Missing required headers
standardwebhooks, Uint8Array: Error: Expected payload to be of type string or Buffer.
standardwebhooks, not JSON: SyntaxError
svix 2, object: undefined
svix 2, Headers: WebhookVerificationError: Missing required headers
svix 2, Uint8Array: Error: Expected payload to be of type string or Buffer.
svix 2, not JSON: undefined
svix 1, object: {"type":"order.created"}
svix 1, Headers: WebhookVerificationError: Missing required headers
svix 1, Uint8Array: Error: Expected payload to be of type string or Buffer.
svix 1, not JSON: SyntaxError
EXPECTED
