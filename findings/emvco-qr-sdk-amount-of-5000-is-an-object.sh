#!/usr/bin/env bash
# emvco-qr-sdk 1.0.0: of an EMV QR code for 5000 pesos the amount is {"50": ""}; 5001 is "5001".
#
# Guess: tags 26 to 51, 62, 64 and 80 to 99 are templates, whose value holds tags again; all others hold a text. The amount of tag 54
#   is the text in the code.
# What happens: each value that can be read as tags is taken for a template: a length of 00 in the third and fourth place is enough.
#   So the amounts from 1000 to 9900 that end with 00 are objects, and those of five digits with 01 there (12015, 20018). 990 of the
#   amounts up to 100000 are. The merchant category codes 5200, 5300 and 5500, and postal codes, too. `parseQR` gives no error, and
#   the checksum is right.
# Why it matters: prices in pesos have no cents and end with 00. Number({"50": ""}) is NaN, and the code is refused or paid with an
#   amount of the app, while the test with 100.53 of the README works. Read `value` of the mode TLV for tags below 26 and above 51.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts emvco-qr-sdk@1.0.0
cat >find.js <<'JS'
const { parseFullQR, parseQR, QRParseMode } = require('emvco-qr-sdk')

function checksum(text) {
  let crc = 0xffff
  for (const byte of Buffer.from(text)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff
  }
  return crc.toString(16).toUpperCase().padStart(4, '0')
}
const field = (tag, value) => tag + String(value.length).padStart(2, '0') + value
function code(amount, category = '5999', postal = '110111') {
  const account = field('00', 'CO.COM.RBM.LLA') + field('01', '900123456')
  const text = `${field('00', '01') + field('01', '12') + field('26', account) + field('52', category) + field('53', '170') + field('54', amount)
    + field('58', 'CO') + field('59', 'Tienda') + field('60', 'BOGOTA') + field('61', postal)}6304`
  return text + checksum(text)
}
const named = (...values) => parseQR(code(...values), { parseMode: QRParseMode.GLOBAL })
for (const amount of ['5000', '5001', '5000.00', '4500', '12000', '12015']) console.log(`${amount}: ${JSON.stringify(named(amount).transactionAmount)}`)
console.log(`the checksum of 5000 is right: ${parseFullQR(code('5000'), { parseMode: QRParseMode.GLOBAL }).crc.isValid}`)
let objects = 0
for (let amount = 1; amount <= 100_000; amount++) if (typeof named(String(amount)).transactionAmount !== 'string') objects++
console.log(`${objects} of the amounts from 1 to 100000 are objects`)
for (const category of ['5300', '5411']) console.log(`category ${category}: ${JSON.stringify(named('1', category).merchantCategoryCode)}`)
for (const postal of ['1100', '2502AB']) console.log(`postal code ${postal}: ${JSON.stringify(named('1', '5999', postal).postalCode)}`)
JS
node find.js | tee output
diff output - <<'EXPECTED'
5000: {"50":""}
5001: "5001"
5000.00: "5000.00"
4500: {"45":""}
12000: "12000"
12015: {"12":"5"}
the checksum of 5000 is right: true
990 of the amounts from 1 to 100000 are objects
category 5300: {"53":""}
category 5411: "5411"
postal code 1100: {"11":""}
postal code 2502AB: {"25":"AB"}
EXPECTED
