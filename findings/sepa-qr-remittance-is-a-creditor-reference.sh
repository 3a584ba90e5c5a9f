#!/usr/bin/env bash
# sepa-qr 0.0.2: the text of the payment stands where the creditor reference belongs, and the note where the text belongs.
#
# Guess: the code has the lines of EPC069-12: 9 purpose, 10 creditor reference (ISO 11649), 11 remittance text, 12 note to the payer.
#   `remittance: 'Invoice 123456789'`, as in the README, is text and on line 11.
# What happens: there is no line for the reference. `remittance` stands on line 10, where readers take it for a structured
#   reference such as RF18539007547034, and `information` on line 11, where it is sent to the payee as the text. Line 12 is
#   missing. An amount of 19.1 * 3 is written as EUR57.300000000000004.
# Why it matters: an app that checks the reference refuses the code, others drop it, so that the money comes without the number of the
#   invoice; with a note ("Thank you") the payee gets the note in place of it.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts sepa-qr@0.0.2 jsqr@1.4.0 pngjs@7.0.0
cat >find.js <<'JS'
const { buffer } = require('node:stream/consumers')
const jsQR = require('jsqr')
const { PNG } = require('pngjs')
const createSepaQr = require('sepa-qr')

const names = ['', 'service', 'version', 'characters', 'kind', 'BIC', 'name', 'IBAN', 'amount', 'purpose', 'creditor reference', 'text', 'note']
async function show(options) {
  const { data, width, height } = PNG.sync.read(await buffer(createSepaQr({ name: 'Shop', iban: 'DE89370400440532013000', ...options })))
  const lines = jsQR(new Uint8ClampedArray(data), width, height).data.split('\n')
  for (const [index, line] of lines.entries()) if (index >= 7 && line) console.log(`line ${index + 1}, ${names[index + 1]}: ${line}`)
}
;(async () => {
  console.log('With a text:')
  await show({ amount: 100, remittance: 'Invoice 123456789' })
  console.log('With a text and a note:')
  await show({ amount: 19.1 * 3, remittance: 'Invoice 123456789', information: 'Thank you' })
})()
JS
node find.js | tee output
diff output - <<'EXPECTED'
With a text:
line 8, amount: EUR100
line 10, creditor reference: Invoice 123456789
With a text and a note:
line 8, amount: EUR57.300000000000004
line 10, creditor reference: Invoice 123456789
line 11, text: Thank you
EXPECTED
