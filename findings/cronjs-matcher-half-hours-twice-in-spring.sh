#!/usr/bin/env bash
# @datasert/cronjs-matcher 1.4.0: in the night in which the clocks go forward some times come twice, and 5-7 has no Sunday.
#
# Guess: getFutureMatches gives times that only grow. Where 02:00 to 03:00 does not exist, that hour is left out. 7 is Sunday, also in
#   a range.
# What happens: the hour that does not exist is counted as 02 and taken as 03 o'clock; then 03 o'clock comes: 03:00, 03:30, 03:00,
#   03:30, 04:00. The times go back. In autumn the second 02:00 and 02:30 are left out, so that a job for each half hour does not run
#   for an hour and a half. "* * 5-7" is Friday and Saturday, while "* * 7" is Sunday.
# Why it matters: a scheduler that takes the times one after the other runs the payout of 03:00 twice in that night, or waits for a
#   time in the past. Use UTC for what must run once.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @datasert/cronjs-matcher@1.4.0
cat >find.js <<'JS'
const { getFutureMatches } = require('@datasert/cronjs-matcher')

function show(text, startAt, timezone) {
  const times = getFutureMatches(text, { startAt, timezone, formatInTimezone: true, matchCount: 6 }).map((time) => new Date(time))
  const grow = times.every((time, at) => at === 0 || time > times[at - 1])
  const local = (time) => time.toLocaleString('en-GB', { timeZone: timezone, weekday: 'short', hour: '2-digit', minute: '2-digit' })
  console.log(`${text} in ${timezone} after ${startAt}: ${times.map(local).join(', ')}${grow ? '' : ' (not in order)'}`)
}
show('*/30 * * * *', '2027-03-28T00:30:00Z', 'Europe/Berlin')
show('0 * * * *', '2027-03-14T06:30:00Z', 'America/New_York')
show('0 3 * * *', '2027-03-27T12:00:00Z', 'Europe/Berlin')
show('30 2 * * *', '2027-03-27T00:00:00Z', 'Europe/Berlin')
show('*/30 * * * *', '2026-10-24T23:30:00Z', 'Europe/Berlin')
show('0 10 * * 5-7', '2026-11-27T00:00:00Z', 'UTC')
show('0 10 * * 7', '2026-11-27T00:00:00Z', 'UTC')
JS
node find.js | tee output
diff output - <<'EXPECTED'
*/30 * * * * in Europe/Berlin after 2027-03-28T00:30:00Z: Sun 01:30, Sun 03:00, Sun 03:30, Sun 03:00, Sun 03:30, Sun 04:00 (not in order)
0 * * * * in America/New_York after 2027-03-14T06:30:00Z: Sun 03:00, Sun 03:00, Sun 04:00, Sun 05:00, Sun 06:00, Sun 07:00 (not in order)
0 3 * * * in Europe/Berlin after 2027-03-27T12:00:00Z: Sun 03:00, Mon 03:00, Tue 03:00, Wed 03:00, Thu 03:00, Fri 03:00
30 2 * * * in Europe/Berlin after 2027-03-27T00:00:00Z: Sat 02:30, Mon 02:30, Tue 02:30, Wed 02:30, Thu 02:30, Fri 02:30
*/30 * * * * in Europe/Berlin after 2026-10-24T23:30:00Z: Sun 01:30, Sun 02:00, Sun 02:30, Sun 03:00, Sun 03:30, Sun 04:00
0 10 * * 5-7 in UTC after 2026-11-27T00:00:00Z: Fri 10:00, Sat 10:00, Fri 10:00, Sat 10:00, Fri 10:00, Sat 10:00
0 10 * * 7 in UTC after 2026-11-27T00:00:00Z: Sun 10:00, Sun 10:00, Sun 10:00, Sun 10:00, Sun 10:00, Sun 10:00
EXPECTED
