#!/usr/bin/env bash
# aws-cron-parser 1.1.12: a schedule for day 31 also runs on 1 May, 29 February on 1 March of each year, and prev() stands still there.
#
# Guess: next() gives the times at which EventBridge runs: a month without the day is left out. A list may hold L, as "1,L" for the
#   first and the last day. prev() goes back from each time to the one before.
# What happens: a day that the month does not have overflows into the next month: day 31 is also 3 March, 1 May and 1 July, day 30 is
#   also 2 March, and 29 February is 1 March in three years of four. "1,L" means one day before the last. prev() of a schedule for 29
#   February gives the same 1 March for ever. "? * L" and FRI-MON, both fine for AWS, are errors.
# Why it matters: the next payout that is shown to the customer, or the check that yesterday's job ran, names a day on which AWS does
#   nothing. A loop that looks for the last run with prev() never ends.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts aws-cron-parser@1.1.12
cat >find.js <<'JS'
const cron = require('aws-cron-parser')

function times(text, way, from) {
  const days = []
  const parsed = cron.parse(text)
  for (let time = new Date(from); days.length < 6; days.push(time.toISOString().slice(0, 10))) time = cron[way](parsed, time)
  return days.join(' ')
}
for (const text of ['0 10 31 * ? *', '0 10 30 * ? *', '0 10 29 2 ? *', '0 10 L * ? *', '0 10 1,L * ? *']) {
  console.log(`${text} next: ${times(text, 'next', '2027-01-31T12:00:00Z')}`)
}
console.log(`0 10 31 * ? * prev: ${times('0 10 31 * ? *', 'prev', '2027-07-20T00:00:00Z')}`)
console.log(`0 10 29 2 ? * prev: ${times('0 10 29 2 ? *', 'prev', '2027-07-20T00:00:00Z')}`)
for (const text of ['0 10 ? * L *', '0 10 ? * FRI-MON *']) {
  try {
    console.log(`${text} next: ${times(text, 'next', '2027-01-31T12:00:00Z')}`)
  } catch (error) {
    console.log(`${text} next: ${error.message ?? error}`)
  }
}
JS
node find.js | tee output
diff output - <<'EXPECTED'
0 10 31 * ? * next: 2027-03-03 2027-03-31 2027-05-01 2027-05-31 2027-07-01 2027-07-31
0 10 30 * ? * next: 2027-03-02 2027-03-30 2027-04-30 2027-05-30 2027-06-30 2027-07-30
0 10 29 2 ? * next: 2027-03-01 2028-02-29 2029-03-01 2030-03-01 2031-03-01 2032-02-29
0 10 L * ? * next: 2027-02-28 2027-03-31 2027-04-30 2027-05-31 2027-06-30 2027-07-31
0 10 1,L * ? * next: 2027-02-27 2027-03-30 2027-04-29 2027-05-30 2027-06-29 2027-07-30
0 10 31 * ? * prev: 2027-05-31 2027-03-31 2027-01-31 2026-12-31 2026-10-31 2026-08-31
0 10 29 2 ? * prev: 2027-03-01 2027-03-01 2027-03-01 2027-03-01 2027-03-01 2027-03-01
0 10 ? * L * next: AwsCronParser : this shouldn't happen, but iter > 10
0 10 ? * FRI-MON * next: AwsCronParser : this shouldn't happen, but iter > 10
EXPECTED
