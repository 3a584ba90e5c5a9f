#!/usr/bin/env bash
# structured-headers 2.1.0 writes decimals that its own parser refuses: 2.9999 becomes "3.".
#
# Guess: a number is rounded to three decimals and written with at least one of them, "3.0" (RFC 9651, section 4.1.5).
# What happens: if the rounded decimals are all zero, they are cut off and the period stays. parseItem() of the same package
#   and every other parser refuse the field.
# Why it matters: rates, weights and durations in header fields (RateLimit, Priority, own ones) are often computed, so that
#   one response in thousands has an invalid field.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund structured-headers@2.1.0
cat >find.js <<'JS'
import { parseItem, serializeItem } from 'structured-headers'

for (const number of [1.5, 2.9999, 1.0004, 0.0001, 99.99996]) {
  const text = serializeItem(number)
  try {
    console.log(`${number} is written as ${text} and read as ${parseItem(text)[0]}`)
  } catch (error) {
    console.log(`${number} is written as ${text} and refused: ${error.message}`)
  }
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
1.5 is written as 1.5 and read as 1.5
2.9999 is written as 3. and refused: Parse error: Decimal cannot end on a period at offset 2
1.0004 is written as 1. and refused: Parse error: Decimal cannot end on a period at offset 2
0.0001 is written as 0. and refused: Parse error: Decimal cannot end on a period at offset 2
99.99996 is written as 100. and refused: Parse error: Decimal cannot end on a period at offset 4
EXPECTED
