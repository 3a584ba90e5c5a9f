#!/usr/bin/env bash
# xendit-node 7.0.0: a 502 or 503 whose body is no JSON reaches the caller as a TypeError without its status.
#
# Guess: each response outside of 2xx is a XenditSdkError with `status`; where the body is no JSON, rawResponse is its text. The code
#   reads text() after json() has failed.
# What happens: json() has consumed the body, so that text() throws "Body is unusable". The error that the caller gets is that TypeError:
#   no status, no text, no Retry-After. With a JSON body the status is there, as guessed. An empty body does the same.
# Why it matters: errors of the gateways in front of an API have HTML or no body. A handler that retries by `status` does not see them as
#   503 but as a fault of the program, though the payment may have been made.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts xendit-node@7.0.0
cat >find.js <<'JS'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { Xendit } from 'xendit-node'

let answer
const server = createServer((request, response) => {
  const { status, type, body } = answer
  request.resume().on('end', () => response.writeHead(status, { 'Content-Type': type }).end(body))
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')

const xendit = new Xendit({ secretKey: 'xnd_1', xenditURL: `http://127.0.0.1:${server.address().port}` })
const data = { amount: 10_000, currency: 'IDR', referenceId: 'order-1' }
const answers = [
  { status: 503, type: 'application/json', body: '{"error_code":"SERVER_ERROR","message":"later"}' },
  { status: 503, type: 'text/html', body: '<h1>503 Service Unavailable</h1>' },
  { status: 504, type: 'text/plain', body: '' },
]
for (answer of answers) {
  const error = await xendit.PaymentRequest.createPaymentRequest({ idempotencyKey: 'order-1', data }).catch((error) => error)
  console.log(`${answer.status} with ${answer.type}: ${error.name}, status ${error.status}, ${error.errorMessage ?? error.message}`)
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
503 with application/json: XenditSdkError, status 503, later
503 with text/html: TypeError, status undefined, Body is unusable: Body has already been read
504 with text/plain: TypeError, status undefined, Body is unusable: Body has already been read
EXPECTED
