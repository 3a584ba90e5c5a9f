#!/usr/bin/env bash
# mtn-momo 2.0.0: requestToPay() sends a reference of its own, whatever it was given, and its errors do not tell which.
#
# Guess: a payment request has an X-Reference-Id, under which its result is asked for. The caller can choose it, as with transfer(), or
#   finds it in the error when the response is lost, so that a second try can have the same.
# What happens: transfer() takes referenceId. requestToPay() makes one within, sends the given one as a field of the body, and returns its
#   own after a success only. After a reset it is still in error.config of axios; after a 500 or 503 the error is one of the
#   package, and it is nowhere.
# Why it matters: a gateway that gives up (503) does not tell whether the customer was asked. Nobody can ask for the result, and a second
#   try has another reference: the phone asks for the PIN again, and the customer pays twice.
# Needs Node.js 20 or newer and npm; everything is on loopback. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts mtn-momo@2.0.0
cat >find.js <<'JS'
const { once } = require('node:events')
const { createServer } = require('node:http')
const { inspect } = require('node:util')
const momo = require('mtn-momo')

let answer
const references = []
const server = createServer((request, response) => {
  response.setHeader('Content-Type', 'application/json')
  if (request.url.endsWith('/token/')) return void response.end('{"access_token":"t","expires_in":3600,"token_type":"access_token"}')
  references.push(request.headers['x-reference-id'])
  request.resume().on('end', () => answer(request, response))
})
server.listen(0, '127.0.0.1')
const answers = {
  'a success': (request, response) => response.writeHead(202).end(),
  'a reset': (request) => request.socket.destroy(),
  'a 503': (request, response) => response.writeHead(503).end('{}'),
  'a 500 with a code': (request, response) => response.writeHead(500).end('{"code":"INTERNAL_PROCESSING_ERROR","message":"later"}'),
}
;(async () => {
  await once(server, 'listening')
  const { Collections, Disbursements } = momo.create({ callbackHost: 'example.com', baseUrl: `http://127.0.0.1:${server.address().port}` })
  const keys = { userSecret: 'secret', userId: '36377bb4-7b49-4de7-9c7c-ea4f1b8b5d43', primaryKey: 'key' }
  const party = { partyIdType: 'MSISDN', partyId: '256774290781' }
  const payment = { amount: '50', currency: 'EUR', externalId: 'order-1', payerMessage: 'm', payeeNote: 'n' }
  const referenceId = 'b0e3a1f4-5d0c-4c3e-9f57-0c6d1a2b3c4d'
  const calls = {
    transfer: () => Disbursements(keys).transfer({ ...payment, payee: party, referenceId }),
    requestToPay: () => Collections(keys).requestToPay({ ...payment, payer: party, referenceId }),
  }
  for (const [name, call] of Object.entries(calls)) {
    for (const kind of Object.keys(answers)) {
      answer = answers[kind]
      references.length = 0
      const result = await call().catch((error) => error)
      const sent = references[0] === referenceId ? 'that of the caller' : 'another one'
      const told = inspect(result, { depth: 20 }).includes(references[0])
      console.log(`${name}, ${kind}: the reference is ${sent}, the ${result.name ?? 'result'} ${told ? 'has' : 'does not have'} it`)
    }
  }
  process.exit()
})()
JS
node find.js | tee output
diff output - <<'EXPECTED'
transfer, a success: the reference is that of the caller, the result has it
transfer, a reset: the reference is that of the caller, the Error has it
transfer, a 503: the reference is that of the caller, the UnspecifiedError does not have it
transfer, a 500 with a code: the reference is that of the caller, the InternalProcessingError does not have it
requestToPay, a success: the reference is another one, the result has it
requestToPay, a reset: the reference is another one, the Error has it
requestToPay, a 503: the reference is another one, the UnspecifiedError does not have it
requestToPay, a 500 with a code: the reference is another one, the InternalProcessingError does not have it
EXPECTED
