#!/usr/bin/env bash
# groupmq 1.1.0: when a worker dies, the group of its job is blocked for good.
#
# Guess: "Automatic recovery: stalled job detection". After jobTimeoutMs another worker runs the job of the dead one again, and
#   then the jobs behind it.
# What happens: there are two places that look for stalled jobs. The one that nearly always comes first, inside the script that
#   reserves jobs, puts the job back into its group, but leaves it in the list of the group's active jobs. A group with an
#   active job gets no other, so neither this job nor any later one of the group runs, and the second place no longer finds
#   the job. It counts as waiting; nothing is logged and no job fails. Other groups go on, and so does a group whose handler
#   throws.
# Why it matters: a group is one customer or one account. Each deployment that kills a worker in the middle of a job stops some of
#   them, and the counts look like a short queue. The entry has to be taken out by hand: LREM groupmq:NAMESPACE:g:GROUP:active.
# Needs redis-server, Node.js 20 or newer and npm. Takes a minute. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts groupmq@1.1.0 ioredis@5.11.1
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >worker.js <<'JS'
import { Queue, Worker } from 'groupmq'
import { Redis } from 'ioredis'

export const redis = new Redis({ path: 'redis', maxRetriesPerRequest: null }).on('error', () => {})
export const queue = new Queue({ redis, namespace: 'accounts', jobTimeoutMs: 2_000, keepCompleted: 100, keepFailed: 100 })
export const work = (handler) => void new Worker({ queue, handler, concurrency: 4, maxStalledCount: 5 }).run()
JS
cat >dies.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import { work } from './worker.js'

work(async () => {
  process.send('has a job')
  await sleep(60_000)
})
JS
cat >find.js <<'JS'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { queue, work } from './worker.js'

await queue.add({ groupId: 'account-1', data: 'first of 1' })
const child = fork('dies.js')
await once(child, 'message')
child.kill('SIGKILL')
await queue.add({ groupId: 'account-1', data: 'second of 1' })
await queue.add({ groupId: 'account-2', data: 'first of 2' })
await queue.add({ groupId: 'account-2', data: 'second of 2' })
await sleep(3_000)

const runs = []
work(async ({ data }) => {
  runs.push(data)
  if (data === 'first of 2' && runs.filter((run) => run === data).length === 1) throw new Error('once')
})
// Past jobTimeoutMs, and past stalledInterval, which is 30 s.
await sleep(45_000)
const { active, waiting, failed } = await queue.getJobCounts()
console.log(`runs: ${runs.join(', ')}`)
console.log(`active ${active}, waiting ${waiting}, failed ${failed}`)
process.exit()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
runs: first of 2, first of 2, second of 2
active 0, waiting 2, failed 0
EXPECTED
