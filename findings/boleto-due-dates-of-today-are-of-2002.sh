#!/usr/bin/env bash
# broleto 0.0.12 and boleto.js 1.1.4: a Brazilian bank slip that is due in December 2026 has been overdue since April 2002.
#
# Guess: the four digits of the due date count days from 7 October 1997; after 9999 (21 February 2025) they went on with 1000, as the
#   banks had announced, and packages that are in use know that.
# What happens: both add the digits to 1997 for ever: 1000 (22 February 2025) is 3 July 2000, and 1647 (1 December 2026) is 11 April 2002.
#   broleto says that such a slip is valid and has expired, 8,000 days and more ago. Up to 21 February 2025 both were right, and
#   tests with slips from then pass. 0000 is a slip without a date: both say 7 October 1997.
# Why it matters: each slip of today is refused or sorted to the top of the overdue ones, or has the interest of 24 years.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts broleto@0.0.12 boleto.js@1.1.4
cat >find.js <<'JS'
process.env.TZ = 'UTC'
// boleto.js is for browsers, and reads no more of them than this.
globalThis.window = globalThis
const BoletoJs = require('boleto.js')
const { Boleto } = require('broleto')

// Slips of Banco do Brasil over 123.45 with the digits of their check and of their due date.
const line = (check, due) => `00190000091234567890312345678903${check}${due}0000012345`
const slips = { '2025-02-21': line(2, '9999'), '2025-02-22': line(8, '1000'), '2026-12-01': line(6, '1647'), 'no date': line(5, '0000') }
const day = (date) => date.toISOString().slice(0, 10)
for (const [due, digits] of Object.entries(slips)) {
  const broleto = new Boleto(digits)
  console.log(`${due}: broleto ${day(broleto.expirationDate())}, valid ${broleto.valid()}; boleto.js ${day(new BoletoJs(digits).expirationDate())}`)
}
const slip = new Boleto(slips['2026-12-01'])
console.log(`2026-12-01: broleto says expired: ${slip.expired()}, for more than 8,000 days: ${Math.abs(slip.expiredDays()) > 8_000}`)
JS
node find.js | tee output
diff output - <<'EXPECTED'
2025-02-21: broleto 2025-02-21, valid true; boleto.js 2025-02-21
2025-02-22: broleto 2000-07-03, valid true; boleto.js 2000-07-03
2026-12-01: broleto 2002-04-11, valid true; boleto.js 2002-04-11
no date: broleto 1997-10-07, valid true; boleto.js 1997-10-07
2026-12-01: broleto says expired: true, for more than 8,000 days: true
EXPECTED
