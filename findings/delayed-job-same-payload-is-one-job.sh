#!/usr/bin/env bash
# @kev_nz/delayed-job 1.0.2: two jobs with the same payload are one, two schedulers run each job twice, and all come up to a poll early.
#
# Guess: delay(job, timeout) keeps each job for that time, and one of the schedulers that share a Redis ("horizontally scalable")
#   emits it once; there is a lock for that.
# What happens: the job is the member of a sorted set, so a second one with the same JSON replaces the first and moves its time. The
#   timeout is in milliseconds. Each poll takes what is due until the next poll, so a job comes up to pollInterval (5 seconds) early.
#   The lock is a key with a random number in its name that is set and never looked at: schedulers that poll at the same time read the
#   same jobs, and each emits them. A job is removed before it is emitted, so a process that ends then has lost it.
# Why it matters: a retry in an hour, given twice, comes once and later; a capture after the release of an order comes before it; and
#   on two nodes it is sent twice. Put an id into the payload, and let the handler check it.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @kev_nz/delayed-job@1.0.2
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >find.js <<'JS'
const { setTimeout: sleep } = require('node:timers/promises')
const { createScheduler } = require('@kev_nz/delayed-job')

const POLL_MS = 2_000
const seen = []
const start = (name) => createScheduler({ backend: { name: 'redis' }, url: `${process.cwd()}/redis`, pollInterval: POLL_MS })
  .on('job', (job) => seen.push({ name, at: Date.now(), job }))
async function one() {
  const first = start('first')
  first.delay({ charge: 10 }, 500)
  first.delay({ charge: 10 }, 500)
  first.delay({ charge: 20 }, 500)
  await sleep(POLL_MS + 500)
  console.log(`charge 10, charge 10 and charge 20: ${seen.splice(0).map(({ job }) => `charge ${job.charge}`).sort().join(', ')}`)
  const due = Date.now() + 3_000
  first.delay({ charge: 30 }, 3_000)
  await sleep(5_000)
  const [{ at }] = seen
  console.log(`a delay of 3000 comes ${at < due - 500 ? 'more than half a second too early' : 'in time'}`)
}
async function two() {
  const second = start('second')
  start('third')
  for (let charge = 1; charge <= 20; charge++) second.delay({ charge }, 500)
  await sleep(POLL_MS + 500)
  const of = (name) => seen.filter((one) => one.name === name).length
  console.log(`twenty jobs, two schedulers that were started together: the second one emits ${of('second')}, the third one ${of('third')}`)
}
const modes = { one, two }
modes[process.argv[2]]().then(() => process.exit())
JS
for mode in one two; do node find.js $mode; done | tee output
diff output - <<'EXPECTED'
charge 10, charge 10 and charge 20: charge 10, charge 20
a delay of 3000 comes more than half a second too early
twenty jobs, two schedulers that were started together: the second one emits 20, the third one 20
EXPECTED
