#!/usr/bin/env bash
# structured-field-values 2.0.4 writes a Date with milliseconds as "@1659578233.5", which its own parser refuses.
#
# Guess: a Date is written in whole seconds, as an Integer behind "@" (RFC 9651, section 4.1.10), or refused.
# What happens: the seconds are written as JavaScript has them, with a fraction. decodeItem() of the same package and every
#   other parser refuse it. Text beyond ASCII is written and parsed as a String, where section 4.1.6 demands a failure. A
#   Decimal with a zero behind its point becomes an Integer when it is written again.
# Why it matters: new Date() has milliseconds nearly always, so that a field made of it is ignored as a whole, and tests with
#   full seconds pass. A signature over a field that was parsed and written again is over other bytes.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts structured-field-values@2.0.4
cat >find.js <<'JS'
import { decodeDict, decodeItem, encodeDict, encodeItem } from 'structured-field-values'

const read = (text) => {
  try {
    return String(decodeItem(text).value)
  } catch (error) {
    return error.message
  }
}
for (const ms of [0, 500, 123]) {
  const text = encodeItem(new Date(1_659_578_233_000 + ms))
  console.log(`${text} is read as: ${read(text).replace(/^Thu.*/, 'a Date')}`)
}
const text = encodeItem('Zürich')
console.log(`${text} is read as: ${read(text)}`)
console.log(`a=1.0;b=2.50 is written again as: ${encodeDict(decodeDict('a=1.0;b=2.50'))}`)
JS
TZ=UTC node find.js | tee output
diff output - <<'EXPECTED'
@1659578233 is read as: a Date
@1659578233.5 is read as: failed to parse "@1659578233.5" as Item
@1659578233.123 is read as: failed to parse "@1659578233.123" as Item
"Zürich" is read as: Zürich
a=1.0;b=2.50 is written again as: a=1;b=2.5
EXPECTED
