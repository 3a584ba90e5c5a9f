#!/usr/bin/env bash
# dayjs-business-days2 1.4.0: after six closed days nextBusinessDay() returns a holiday; businessDaysAdd(1) does not.
#
# Guess: nextBusinessDay() is the day of businessDaysAdd(1), and isBusinessDay() of it is true. A list of holidays such as
#   '2027-10-01' is understood. businessDiff is the other way round of businessDaysAdd.
# What happens: nextBusinessDay() and prevBusinessDay() look at six days and return the sixth, whatever it is. In the Golden Week of
#   China (1 to 7 October) or the Spring Festival the next business day is a day on which the banks are closed. There is no option for
#   it (moment-business-days, which it comes from, has one). Holidays without a holidayFormat are compared with the time of day and
#   the offset, so that none of them is ever a holiday, without an error. From a Saturday, businessDaysAdd(1) is Monday, and the
#   difference of the two is 0.
# Why it matters: a settlement date of T+1 is right with one function and a holiday with the other, once or twice a year.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts dayjs-business-days2@1.4.0 dayjs@1.11.23
cat >find.js <<'JS'
const dayjs = require('dayjs')
const { default: businessDays } = require('dayjs-business-days2')

// The days off of China: National Day 2026, and the Spring Festival of 2026 (15 to 23 February).
const holidays = ['2026-10-01', '2026-10-02', '2026-10-03', '2026-10-04', '2026-10-05', '2026-10-06', '2026-10-07']
for (let day = 15; day <= 23; day++) holidays.push(`2026-02-${day}`)
const DAY = 'YYYY-MM-DD'
const shown = (day) => `${day.format(DAY)}${day.isBusinessDay() ? '' : ' (closed)'}`

dayjs.extend(businessDays, { holidays })
console.log(`holidays without a format: 1 October 2026 is ${shown(dayjs('2026-10-01'))}`)
dayjs.setHolidayFormat(DAY)
for (const [before, after] of [['2026-02-14', '2026-02-24'], ['2026-09-30', '2026-10-08']]) {
  console.log(`after ${before}: nextBusinessDay ${shown(dayjs(before).nextBusinessDay())}, businessDaysAdd(1) ${shown(dayjs(before).businessDaysAdd(1))}`)
  console.log(`before ${after}: prevBusinessDay ${shown(dayjs(after).prevBusinessDay())}, businessDaysSubtract(1) ${shown(dayjs(after).businessDaysSubtract(1))}`)
}
const saturday = dayjs('2026-11-28')
console.log(`Saturday ${saturday.format(DAY)} and one business day: ${shown(saturday.businessDaysAdd(1))}, difference ${saturday.businessDaysAdd(1).businessDiff(saturday)}`)
JS
node find.js | tee output
diff output - <<'EXPECTED'
holidays without a format: 1 October 2026 is 2026-10-01
after 2026-02-14: nextBusinessDay 2026-02-20 (closed), businessDaysAdd(1) 2026-02-24
before 2026-02-24: prevBusinessDay 2026-02-18 (closed), businessDaysSubtract(1) 2026-02-13
after 2026-09-30: nextBusinessDay 2026-10-06 (closed), businessDaysAdd(1) 2026-10-08
before 2026-10-08: prevBusinessDay 2026-10-02 (closed), businessDaysSubtract(1) 2026-09-30
Saturday 2026-11-28 and one business day: 2026-11-30, difference 0
EXPECTED
