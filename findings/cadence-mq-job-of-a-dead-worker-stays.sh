#!/usr/bin/env bash
# @cadence-mq/core 0.2.3 with driver-libsql 0.2.4: the job of a worker that died is never run again, and missed ticks are all run.
#
# Guess: a job whose worker died runs again after some time, like any job that was not completed. A schedule that was down runs once
#   and goes on. maxRetries wait between the attempts.
# What happens: a job in 'processing' belongs to nobody: no time-out, no heartbeat, no clean-up looks at it, on any worker. So a
#   schedule whose worker died during its tick never ticks again, unless schedulePeriodicJob is called. The next tick is counted from
#   the one before, not from now: after ten minutes without a worker a job of each minute runs ten times at once; but a start that
#   calls schedulePeriodicJob, as the start of an application does, drops the missed ones. Retries come without a pause.
# Why it matters: after a deployment in the middle of a payment the payment is neither made nor failed, and no alert sees it. Count
#   the jobs that are in 'processing' for too long, and call schedulePeriodicJob at each start.
# Needs Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @cadence-mq/core@0.2.3 @cadence-mq/driver-libsql@0.2.4 @libsql/client@0.15.15
cat >queue.js <<'JS'
import { createCadence } from '@cadence-mq/core'
import { createLibSqlDriver, setupSchema } from '@cadence-mq/driver-libsql'
import { createClient } from '@libsql/client'

export const client = createClient({ url: 'file:./jobs.db' })
await setupSchema({ client })
export const queue = createCadence({ driver: createLibSqlDriver({ client, pollIntervalMs: 50 }) })
JS
cat >dies.js <<'JS'
import { queue } from './queue.js'

for (const taskName of ['pay', 'tick']) queue.registerTask({ taskName, handler: () => process.exit() })
queue.createWorker({ workerId: 'first' }).start()
JS
cat >find.js <<'JS'
import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { client, queue } from './queue.js'

const HOUR_MS = 3_600_000
const runs = []
const dies = () => spawnSync(process.execPath, ['dies.js'])
const { jobId } = await queue.scheduleJob({ taskName: 'pay', maxRetries: 3 })
dies()
await queue.schedulePeriodicJob({ scheduleId: 'tick', taskName: 'tick', cron: '0 0 1 1 *', immediate: true })
dies()
// A schedule that ran for the last time ten hours ago.
await queue.schedulePeriodicJob({ scheduleId: 'hourly', taskName: 'hourly', cron: '0 * * * *', immediate: true, now: new Date(Date.now() - 10 * HOUR_MS) })
for (const taskName of ['pay', 'tick', 'hourly']) queue.registerTask({ taskName, handler: () => { runs.push(taskName) } })
let failures = []
queue.registerTask({ taskName: 'fails', handler: () => { failures.push(Date.now()); throw new Error('the gateway is away') } })
queue.createWorker({ workerId: 'second' }).start()
await sleep(3_000)
const count = (name) => runs.filter((run) => run === name).length
for (const [name, id] of [['pay', jobId], ['tick', 'tick']]) {
  // A day later.
  await client.execute({ sql: 'UPDATE jobs SET started_at = started_at - ? WHERE id = ?', args: [24 * HOUR_MS, id] })
  await sleep(500)
  console.log(`${name}, whose worker died a day ago: runs ${count(name)}, status ${(await queue.getJob({ jobId: id })).job.status}`)
}
console.log(`hourly, after ten hours without a worker: at least ten runs at once: ${count('hourly') >= 10}`)
await queue.scheduleJob({ taskName: 'fails', maxRetries: 3 })
await sleep(1_000)
console.log(`fails, maxRetries 3: ${failures.length} attempts within ${failures[3] - failures[0] < 100 ? 'less' : 'more'} than 100 ms`)
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
pay, whose worker died a day ago: runs 0, status processing
tick, whose worker died a day ago: runs 0, status processing
hourly, after ten hours without a worker: at least ten runs at once: true
fails, maxRetries 3: 4 attempts within less than 100 ms
EXPECTED
