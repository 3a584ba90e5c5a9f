#!/usr/bin/env bash
# aba-generator 2.1.0: with a time of '1430' the payments of the file are to be processed on 1 January 2030.
#
# Guess: header.date is the day to be processed, and header.time, "if string must be HHmm format", stands beside it in the file.
# What happens: where the date is not a string of six digits, it is made from the time: new Date('1430') is the year 1430, so the date in
#   the file is 010130. '0915' gives 2015, '1845' gives 2045. The same holds where no date was given. Either a date such as '301126'
#   or a Date for the time, too, is right.
# Why it matters: the header of the file (columns 75 to 80) tells the bank when to pay. A date of the past is refused or paid at once, one
#   of the future waits; which one it is depends on the minute of the hour in which the file was made.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts aba-generator@2.1.0
cat >find.js <<'JS'
const ABA = require('aba-generator')

const transaction = {
  bsb: '061-021', transactionCode: ABA.CREDIT, account: '123456', amount: 12, accountTitle: 'Jane Doe', reference: 'Invoice 1',
  traceBsb: '061-123', traceAccount: '1234567', remitter: 'Acme',
}
const date = new Date(2026, 10, 30)
const headers = {
  'a Date, no time': { date },
  "a Date, time '1430'": { date, time: '1430' },
  "a Date, time '0915'": { date, time: '0915' },
  "a Date, time '1845'": { date, time: '1845' },
  "no date, time '1430'": { time: '1430' },
  "date '301126', time '1430'": { date: '301126', time: '1430' },
  'a Date, a Date as time': { date, time: new Date(2026, 10, 30, 14, 30) },
}
for (const [name, { date, time }] of Object.entries(headers)) {
  const aba = new ABA({ header: { bank: 'CBA', user: 'Acme', userNumber: 1234, description: 'Payroll', date, time } })
  const [header] = aba.generate([transaction]).split('\r\n')
  console.log(`${name}: the date in the file is ${header.slice(74, 80)}, the time '${header.slice(80, 84)}'`)
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
a Date, no time: the date in the file is 301126, the time '    '
a Date, time '1430': the date in the file is 010130, the time '1430'
a Date, time '0915': the date in the file is 010115, the time '0915'
a Date, time '1845': the date in the file is 010145, the time '1845'
no date, time '1430': the date in the file is 010130, the time '1430'
date '301126', time '1430': the date in the file is 301126, the time '1430'
a Date, a Date as time: the date in the file is 301126, the time '1430'
EXPECTED
