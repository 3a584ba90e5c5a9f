#!/usr/bin/env bash
# pix-payload 1.0.4: one Pix code of sixteen ends in a CRC of three digits, and apps refuse it.
#
# Guess: the code ends in 6304 and the four hexadecimal digits of its CRC, as the rules of EMV and of the Brazilian central bank say.
# What happens: the CRC is written without the zeros in front of it, and its length with it: 6303 and three digits in one code of 16, 6302
#   and two in one of 256. Also, the CRC is that of the characters and not of the bytes of UTF-8, so it is wrong for each name
#   with an accent ("João"), which is written as it is.
# Why it matters: whether a customer can pay depends on the amount. A shop sees that 10.22 is refused and 10.00 is not, and the test with
#   one amount passes.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts pix-payload@1.0.4
cat >find.js <<'JS'
import { payload } from 'pix-payload'

// CRC-16 of EMV: polynomial 0x1021, start 0xFFFF.
function crc(text) {
  let value = 0xffff
  for (const byte of Buffer.from(text)) {
    value ^= byte << 8
    for (let bit = 0; bit < 8; bit++) value = (value & 0x8000 ? (value << 1) ^ 0x1021 : value << 1) & 0xffff
  }
  return value.toString(16).toUpperCase().padStart(4, '0')
}
const make = (amount, name) => payload({ key: 'shop@example.com', name, city: 'Recife', amount, transactionId: 'ORDER1' })
function split(code) {
  const [written, length] = code.match(/630([1-4])[0-9A-F]*$/)
  const before = code.slice(0, code.length - Number(length) - 4)
  return { written, right: `6304${crc(`${before}6304`)}` }
}
const lengths = {}
for (let cents = 1; cents <= 10_000; cents++) {
  const length = split(make(cents / 100, 'Shop')).written.length - 4
  lengths[length] = (lengths[length] ?? 0) + 1
}
for (const [length, count] of Object.entries(lengths)) console.log(`0.01 to 100.00: ${count} codes with ${length} digits`)
for (const amount of [10, 10.22, 10.23]) {
  const { written, right } = split(make(amount, 'Shop'))
  console.log(`${amount.toFixed(2)}: ${written}, right is ${right}`)
}
const { written, right } = split(make(10, 'João'))
console.log(`10.00 for João: ${written}, right is ${right}`)
JS
node find.js | tee output
diff output - <<'EXPECTED'
0.01 to 100.00: 38 codes with 2 digits
0.01 to 100.00: 551 codes with 3 digits
0.01 to 100.00: 9411 codes with 4 digits
10.00: 6304554A, right is 6304554A
10.22: 6303F86, right is 63040F86
10.23: 6304650C, right is 6304650C
10.00 for João: 6304E12F, right is 63048ECF
EXPECTED
