#!/usr/bin/env bash
# business-days-js 2.3.0 (date-holidays 3.37.0): west of New York the day after a holiday is closed, and in UTC a Monday is lost.
#
# Guess: check('2026-12-25') is false in each state, and the days around it are business days. addDays(date, 1) after a Friday is the
#   Monday, on each machine. The substitute of a holiday is a holiday.
# What happens: the day is taken as midnight in New York, the holiday as the day of the state. In Chicago or Los Angeles it is still
#   the day before at that moment. So 25 states (California, Texas and Illinois are among them) work on Christmas, and each day after
#   a holiday is closed. Where the process does not run in the time of New York (a container runs in UTC), a day is added as 24 hours, so
#   in the weekend in which the clocks go back Monday is left out: one business day after Friday, 30 October 2026, is Tuesday. And of a
#   day with two entries only the first one counts: 24 December 2027, when Christmas is a Saturday, is "Christmas Eve, optional", so
#   that the substitute is a business day in each state.
# Why it matters: a due date, a payout or the deadline of a dispute lies on a day on which no bank works, or a day later than agreed,
#   depending on the state of the customer and on TZ; the tests with Pennsylvania on a laptop in New York pass.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts business-days-js@2.3.0 date-holidays@3.37.0 dayjs@1.11.23
cat >find.js <<'JS'
const Holidays = require('date-holidays')
const businessDays = require('business-days-js')

const zone = process.env.TZ
if (zone === 'America/New_York') {
  for (const state of ['PA', 'CA', 'TX', 'IL']) {
    const days = ['2026-11-26', '2026-11-27', '2026-12-24', '2026-12-25']
    console.log(`${state}: ${days.map((day) => `${day} ${businessDays({ state }).check(day) ? 'open' : 'closed'}`).join(', ')}`)
  }
  const open = Object.keys(new Holidays().getStates('US')).filter((state) => businessDays({ state }).check('2026-12-25'))
  console.log(`${open.length} states work on Christmas 2026: ${open.join(' ')}`)
  for (const day of ['2026-07-03', '2027-12-24', '2027-12-31']) console.log(`US, substitute on ${day}: ${businessDays().check(day) ? 'open' : 'closed'}`)
}
const days = businessDays()
for (const day of ['2026-10-23', '2026-10-30', '2027-03-12']) console.log(`TZ=${zone}: one business day after ${day} is ${days.addDays(day, 1).format('dddd, YYYY-MM-DD')}`)
JS
for zone in America/New_York UTC Europe/Berlin; do TZ=$zone node find.js; done | tee output
diff output - <<'EXPECTED'
PA: 2026-11-26 closed, 2026-11-27 open, 2026-12-24 open, 2026-12-25 closed
CA: 2026-11-26 open, 2026-11-27 closed, 2026-12-24 open, 2026-12-25 open
TX: 2026-11-26 open, 2026-11-27 closed, 2026-12-24 open, 2026-12-25 closed
IL: 2026-11-26 open, 2026-11-27 closed, 2026-12-24 open, 2026-12-25 open
25 states work on Christmas 2026: AL AK AZ CA CO HI ID IL IA KS LA MN MS MO NE NV NM ND OK OR SD UT WA WI WY
US, substitute on 2026-07-03: closed
US, substitute on 2027-12-24: open
US, substitute on 2027-12-31: closed
TZ=America/New_York: one business day after 2026-10-23 is Monday, 2026-10-26
TZ=America/New_York: one business day after 2026-10-30 is Monday, 2026-11-02
TZ=America/New_York: one business day after 2027-03-12 is Monday, 2027-03-15
TZ=UTC: one business day after 2026-10-23 is Monday, 2026-10-26
TZ=UTC: one business day after 2026-10-30 is Tuesday, 2026-11-03
TZ=UTC: one business day after 2027-03-12 is Monday, 2027-03-15
TZ=Europe/Berlin: one business day after 2026-10-23 is Monday, 2026-10-26
TZ=Europe/Berlin: one business day after 2026-10-30 is Tuesday, 2026-11-03
TZ=Europe/Berlin: one business day after 2027-03-12 is Monday, 2027-03-15
EXPECTED
