#!/usr/bin/env bash
# paynow 2.2.2 (Zimbabwe): a poll of a paid transaction has success false, an amount may be 3.3000000000000003, and an error resolves.
#
# Guess: as in its README: pollTransaction(url) gives a status with paid(), the amount and the reference. send() rejects when the
#   network fails or the hash of the response is wrong. The reference "Invoice 35" comes back as it was.
# What happens: pollTransaction reads the response like the one to a new transaction: there is no paid(), no amount and no reference,
#   and `success` asks for the status "ok", so it is false for "paid". send() and sendMobile() print each error, a wrong hash too, and
#   resolve with undefined. The amount is a sum of numbers in binary, not rounded. The fields are encoded by the SDK and again by
#   axios, so Paynow stores "Invoice%2035", and its status update has that. The list of items loses its last letter.
# Why it matters: `if (response.success)` after a poll never finds a payment, and the order is cancelled though money was taken. An
#   order is not found by its reference. Use parseStatusUpdate() for the text of a poll as well, round the amounts, and use references
#   without a space.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts paynow@2.2.2 axios@1.21.1
cat >find.js <<'JS'
const axios = require('axios')
const { Paynow } = require('paynow')

const paynow = new Paynow('1234', 'key', 'https://shop.example/update', 'https://shop.example/return')
console.log = (line) => process.stdout.write(`${String(line).startsWith('An error') ? 'paynow prints an error' : line}\n`)
const shown = (value) => JSON.stringify(value) ?? 'undefined'
let sent
let respond
axios.defaults.adapter = async (config) => {
  sent = config.data && Object.fromEntries(new URLSearchParams(config.data))
  return { data: respond(), status: 200, statusText: 'OK', headers: {}, config }
}
function signed(fields, hash = paynow.generateHash(fields, 'key')) {
  return new URLSearchParams({ ...fields, hash }).toString()
}
async function main() {
  const created = { status: 'Ok', browserurl: 'https://pay.example/1', pollurl: 'https://pay.example/poll?id=1' }
  const payment = paynow.createPayment('Invoice 35', 'a@shop.example')
  payment.add('Bananas', 1.1)
  payment.add('Apples', 2.2)
  respond = () => signed(created)
  console.log(`send: success ${shown((await paynow.send(payment)).success)}`)
  console.log(`Paynow gets reference ${shown(sent.reference)}, amount ${shown(sent.amount)}, items ${shown(sent.additionalinfo)}`)
  respond = () => { throw new Error('ECONNRESET') }
  console.log(`send, connection reset: ${shown(await paynow.send(payment))}`)
  respond = () => signed(created, 'ABC')
  console.log(`send, wrong hash: ${shown(await paynow.send(payment))}`)
  const paid = { reference: sent.reference, paynowreference: '77', amount: '3.30', status: 'Paid', pollurl: created.pollurl }
  respond = () => signed(paid)
  const status = await paynow.pollTransaction(created.pollurl)
  console.log(`pollTransaction of a paid one: paid is ${typeof status.paid}, success ${status.success}, status ${status.status}, amount ${status.amount}, reference ${status.reference}`)
  console.log(`parseStatusUpdate of the same: ${shown(paynow.parseStatusUpdate(signed(paid)))}`)
}
main()
JS
node find.js | tee output
diff output - <<'EXPECTED'
send: success true
Paynow gets reference "Invoice%2035", amount "3.3000000000000003", items "Bananas,%20Apple"
paynow prints an error
send, connection reset: undefined
paynow prints an error
send, wrong hash: undefined
pollTransaction of a paid one: paid is undefined, success false, status paid, amount undefined, reference undefined
parseStatusUpdate of the same: {"reference":"Invoice%2035","amount":"3.30","paynowReference":"77","pollUrl":"https://pay.example/poll?id=1","status":"Paid"}
EXPECTED
