#!/usr/bin/env bash
# @platformatic/job-queue 0.5.0: a job that takes longer than visibilityTimeout runs again beside itself, past maxRetries.
#
# Guess: a worker renews its claim while it works, so that the Reaper starts a job again only if its worker has died. At the
#   latest maxRetries ends it.
# What happens: nothing is renewed. Each visibilityTimeout the Reaper queues the job again, another slot of the same worker
#   takes it, and the earlier runs go on, unless they look at job.signal. These runs are not counted: with maxRetries 2 a
#   job of 4.5 s and a visibilityTimeout of 1 s runs 5 times at once. Each of them emits `completed`.
# Why it matters: the queue is there so that an id is processed once. A charge that is slow once is made by all runs, while
#   a quick one never shows it. Set visibilityTimeout above the slowest job, and stop at job.signal.
# Needs Node.js 20 or newer, npm, and the program that the npm package `node` brings for Linux. Fails when the behaviour
# changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund @platformatic/job-queue@0.5.0 node@22.23.3
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import { MemoryStorage, Queue, Reaper } from '@platformatic/job-queue'

for (const ms of [500, 4_500]) {
  const storage = new MemoryStorage()
  const queue = new Queue({ storage, concurrency: 10, maxRetries: 2, visibilityTimeout: 1_000 })
  let runs = 0
  let running = 0
  let atOnce = 0
  queue.execute(async () => {
    runs++
    running++
    atOnce = Math.max(atOnce, running)
    await sleep(ms)
    running--
    return {}
  })
  await queue.start()
  const reaper = new Reaper({ storage, visibilityTimeout: 1_000 })
  await reaper.start()
  await queue.enqueueAndWait('charge-1', {}, { timeout: 30_000 })
  console.error(`a job of ${ms} ms: runs ${runs}, at once ${atOnce}`)
  console.log(`a job of ${ms} ms: ${atOnce > 2 ? 'more runs at once than maxRetries' : `runs ${runs}`}`)
  await reaper.stop()
  await queue.stop()
}
process.exit()
JS
node_modules/node/bin/node --version
node_modules/node/bin/node find.js | tee output
diff output - <<'EXPECTED'
a job of 500 ms: runs 1
a job of 4500 ms: more runs at once than maxRetries
EXPECTED
