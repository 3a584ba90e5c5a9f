#!/usr/bin/env bash
# groupmq 1.1.0: a delayed job runs at once when the job before it in its group ends.
#
# Guess: `delay` (and `runAt`) is the earliest time at which a job runs, also in a group that is at work: "delay: 3600000, run in
#   1 hour".
# What happens: in an idle group it is. When a job of the group completes, the worker takes the next one of the group in the same
#   step, and that step does not look at the delay (the step that an idle worker uses does). A job with a delay of 5 s runs
#   0.2 s after it was added. atomicCompletion: false, which the README has for taking the next job in a step of its own, changes
#   nothing: the worker does not read it.
# Why it matters: the delay is kept in each test with one job, and is lost under load. A reminder, a capture after the time for
#   cancelling, or a payment of next month goes out with the order before it.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts groupmq@1.1.0 ioredis@5.11.1
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import { Queue, Worker } from 'groupmq'
import { Redis } from 'ioredis'

const redis = new Redis({ path: 'redis', maxRetriesPerRequest: null }).on('error', () => {})

async function delayOf(name, jobs, options) {
  const queue = new Queue({ redis, namespace: name.replaceAll(' ', '-') })
  let addedMs
  let ranMs
  const handler = async ({ data }) => {
    if (data === 'charge') await sleep(200)
    else ranMs = Date.now()
  }
  const worker = new Worker({ queue, handler, ...options })
  worker.run()
  for (const job of jobs) {
    addedMs = Date.now()
    await queue.add({ groupId: 'customer-1', ...job })
  }
  await sleep(9_000)
  await worker.close()
  const waited = ranMs - addedMs
  console.error(`${name}: ran after ${waited} ms`)
  console.log(`${name}: ${waited >= 4_900 ? 'the delay holds' : waited < 1_000 ? 'no delay' : waited}`)
}

const reminder = { data: 'reminder', delay: 5_000 }
await delayOf('alone', [reminder])
await delayOf('behind another job', [{ data: 'charge' }, reminder])
await delayOf('behind another job and atomicCompletion false', [{ data: 'charge' }, reminder], { atomicCompletion: false })
process.exit()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
alone: the delay holds
behind another job: no delay
behind another job and atomicCompletion false: no delay
EXPECTED
