#!/usr/bin/env bash
# mt940-js 1.0.0, mt940js 1.3.5, swiftmessageparser 1.2.1 and @centrapay/swift-parser 1.0.1: at New Year the entry date is a year off.
#
# Guess: the entry date of a line (tag 61) is MMDD without a year, and is the day closest to the value date: value 31 December 2025,
#   entry 0102 is 2 January 2026.
# What happens: all four take the year of the value date. What was booked on 2 January 2026 with value 31 December 2025 is of 2 January
#   2025; what was booked on 31 December 2025 with value 2 January 2026 is of 31 December 2026, which has not come. Within a year all
#   four are right.
# Why it matters: lines with a value date on the other side of New Year are common each January. Sorted or filtered by the day
#   of booking they are missing from the month, or come up again a year later.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts mt940-js@1.0.0 tslib@2.8.1 mt940js@1.3.5 swiftmessageparser@1.2.1 @centrapay/swift-parser@1.0.1
cat >find.js <<'JS'
process.env.TZ = 'UTC'
const lines = [
  ':20:STATEMENT', ':25:10020030/1234567', ':28C:1/1', ':60F:C251230EUR1000,00',
  ':61:2512310102D10,00NTRFNONREF//1', ':86:Value 31 December 2025, booked 0102',
  ':61:2601021231C20,00NTRFNONREF//2', ':86:Value 2 January 2026, booked 1231',
  ':61:2601050107C30,00NTRFNONREF//3', ':86:Value 5 January 2026, booked 0107',
  ':62F:C260107EUR1040,00', '-',
]
const text = `${lines.join('\r\n')}\r\n`
const packages = {
  'mt940-js': async () => (await require('mt940-js').read(Buffer.from(text)))[0].transactions,
  mt940js: async () => new (require('mt940js').Parser)().parse(text)[0].transactions,
  swiftmessageparser: async () => require('swiftmessageparser').parse({ type: 'mt940', data: text, validate: true })[0].transactions,
  '@centrapay/swift-parser': async () => require('@centrapay/swift-parser').parse({ type: 'mt940', data: text, validate: true })[0].transactions,
}
;(async () => {
  for (const [name, read] of Object.entries(packages)) {
    for (const transaction of await read()) {
      const entry = new Date(transaction.entryDate).toISOString().slice(0, 10)
      console.log(`${name}: ${transaction.description ?? transaction.details}: ${entry}`)
    }
  }
})()
JS
node find.js | tee output
diff output - <<'EXPECTED'
mt940-js: Value 31 December 2025, booked 0102: 2025-01-02
mt940-js: Value 2 January 2026, booked 1231: 2026-12-31
mt940-js: Value 5 January 2026, booked 0107: 2026-01-07
mt940js: Value 31 December 2025, booked 0102: 2025-01-02
mt940js: Value 2 January 2026, booked 1231: 2026-12-31
mt940js: Value 5 January 2026, booked 0107: 2026-01-07
swiftmessageparser: Value 31 December 2025, booked 0102: 2025-01-02
swiftmessageparser: Value 2 January 2026, booked 1231: 2026-12-31
swiftmessageparser: Value 5 January 2026, booked 0107: 2026-01-07
@centrapay/swift-parser: Value 31 December 2025, booked 0102: 2025-01-02
@centrapay/swift-parser: Value 2 January 2026, booked 1231: 2026-12-31
@centrapay/swift-parser: Value 5 January 2026, booked 0107: 2026-01-07
EXPECTED
