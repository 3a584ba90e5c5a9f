#!/usr/bin/env bash
# One crontab line with a day and a weekday: six packages make two schedules of it, each Friday or one Friday in a year.
#
# Guess: "0 10 13 * 5" runs as cron of Unix runs it: on the 13th of each month and on each Friday.
# What happens: croner 11.0.1 and cron-parser 5.10.6 do that. @breejs/later 4.2.0 (under the job scheduler Bree), cron-converter
#   2.1.0, @sapphire/cron 1.2.1 and @cheap-glitch/mi-cron 1.0.1 run only on a Friday that is a 13th: the next one after 13 November
#   2026 is in August 2027. With "0 10 1,15 * 1" it is the same: 1, 15 and each Monday, or only a 1st or 15th that is a Monday.
# Why it matters: a payout run "on the 1st, the 15th and each Monday" moves to another scheduler, or is shown with another package
#   than the one that runs it, and stops for months without an error. Write two lines, one for the days and one for the weekday.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts croner@11.0.1 cron-parser@5.10.6 @breejs/later@4.2.0 cron-converter@2.1.0 @sapphire/cron@1.2.1 @cheap-glitch/mi-cron@1.0.1
cat >find.js <<'JS'
import later from '@breejs/later'
import mi from '@cheap-glitch/mi-cron'
import { Cron as Sapphire } from '@sapphire/cron'
import { getSchedule, stringToArray } from 'cron-converter'
import { CronExpressionParser } from 'cron-parser'
import { Cron } from 'croner'

const COUNT = 4
const from = new Date('2026-11-01T00:00:00Z')
const take = (next) => Array.from({ length: COUNT }, next)
function each(next) {
  let time = from
  return take(() => (time = next(time)))
}
const packages = {
  croner: (line) => new Cron(line, { timezone: 'UTC' }).nextRuns(COUNT, from),
  'cron-parser': (line) => {
    const times = CronExpressionParser.parse(line, { currentDate: from, tz: 'UTC' })
    return take(() => times.next().toDate())
  },
  '@breejs/later': (line) => later.schedule(later.parse.cron(line)).next(COUNT, from),
  'cron-converter': (line) => {
    const times = getSchedule(stringToArray(line), from, 'UTC')
    return take(() => times.next().toJSDate())
  },
  '@sapphire/cron': (line) => each((time) => new Sapphire(line).next(time)),
  '@cheap-glitch/mi-cron': (line) => each((time) => mi.parseCron.nextDate(line, time)),
}
for (const line of ['0 10 13 * 5', '0 10 1,15 * 1', '0 10 * * 1']) {
  for (const [name, times] of Object.entries(packages)) console.log(`${line} ${name}: ${times(line).map((time) => time.toISOString().slice(0, 10)).join(' ')}`)
}
JS
TZ=UTC node find.js | tee output
diff output - <<'EXPECTED'
0 10 13 * 5 croner: 2026-11-06 2026-11-13 2026-11-20 2026-11-27
0 10 13 * 5 cron-parser: 2026-11-06 2026-11-13 2026-11-20 2026-11-27
0 10 13 * 5 @breejs/later: 2026-11-13 2027-08-13 2028-10-13 2029-04-13
0 10 13 * 5 cron-converter: 2026-11-13 2027-08-13 2028-10-13 2029-04-13
0 10 13 * 5 @sapphire/cron: 2026-11-13 2027-08-13 2028-10-13 2029-04-13
0 10 13 * 5 @cheap-glitch/mi-cron: 2026-11-13 2027-08-13 2028-10-13 2029-04-13
0 10 1,15 * 1 croner: 2026-11-01 2026-11-02 2026-11-09 2026-11-15
0 10 1,15 * 1 cron-parser: 2026-11-01 2026-11-02 2026-11-09 2026-11-15
0 10 1,15 * 1 @breejs/later: 2027-02-01 2027-02-15 2027-03-01 2027-03-15
0 10 1,15 * 1 cron-converter: 2027-02-01 2027-02-15 2027-03-01 2027-03-15
0 10 1,15 * 1 @sapphire/cron: 2027-02-01 2027-02-15 2027-03-01 2027-03-15
0 10 1,15 * 1 @cheap-glitch/mi-cron: 2027-02-01 2027-02-15 2027-03-01 2027-03-15
0 10 * * 1 croner: 2026-11-02 2026-11-09 2026-11-16 2026-11-23
0 10 * * 1 cron-parser: 2026-11-02 2026-11-09 2026-11-16 2026-11-23
0 10 * * 1 @breejs/later: 2026-11-02 2026-11-09 2026-11-16 2026-11-23
0 10 * * 1 cron-converter: 2026-11-02 2026-11-09 2026-11-16 2026-11-23
0 10 * * 1 @sapphire/cron: 2026-11-02 2026-11-09 2026-11-16 2026-11-23
0 10 * * 1 @cheap-glitch/mi-cron: 2026-11-02 2026-11-09 2026-11-16 2026-11-23
EXPECTED
