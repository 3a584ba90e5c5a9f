#!/usr/bin/env bash
# @quirrel/owl 0.15.0: when a worker dies with several jobs, one of them is retried and the others are lost for good.
#
# Guess: the stale checker finds the jobs that a dead worker has left, and each is retried as its `retry` says.
# What happens: the stale checker takes all of them out of the list of running jobs, and then puts the first one back as many
#   times as there are jobs. That one is retried. The others are in no list any more. They are still found by their id, and
#   so enqueue() with the same id does nothing. A repeated job (`schedule`) ends the same way.
# Why it matters: a worker takes up to 100 jobs at once, so that one process that is killed loses up to 99 of them. A test
#   with one job sees the retry. No error is reported for any of them.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @quirrel/owl@0.15.0 ioredis@5.11.1
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >owl.js <<'JS'
import { Redis } from 'ioredis'
import owl from '@quirrel/owl'

export const errors = []
export const queue = new owl.default({
  redisFactory: () => new Redis({ path: 'redis' }).on('error', () => {}),
  scheduleMap: {},
  onError: (_ack, { id }, error) => errors.push(`${id}: ${error}`),
  staleChecker: { staleAfter: 2_000, interval: 500 },
})
JS
cat >dies.js <<'JS'
import { queue } from './owl.js'

await queue.createWorker(async ({ id }) => process.send(id))
JS
cat >find.js <<'JS'
import { fork } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { errors, queue } from './owl.js'

const producer = queue.createProducer()
const runs = []

async function lose(ids) {
  const child = fork('dies.js')
  const taken = new Set()
  child.on('message', (id) => taken.add(id))
  for (const id of ids) await producer.enqueue({ queue: 'charges', id, payload: 'p', retry: [100, 100, 100] })
  while (taken.size < ids.length) await sleep(50)
  child.kill('SIGKILL')
  runs.length = 0
  errors.length = 0
  const worker = await queue.createWorker(async ({ id, count }, ack) => {
    runs.push(`${id} (attempt ${count})`)
    await worker.acknowledger.acknowledge(ack)
  })
  await sleep(8_000)
  console.log(`killed with ${ids}: errors ${errors.length}; run again: ${runs.sort()}`)
  return worker
}

await (await lose(['a'])).close()
await lose(['b', 'c', 'd'])
runs.length = 0
for (const id of ['c', 'd', 'e']) await producer.enqueue({ queue: 'charges', id, payload: 'p' })
await sleep(2_000)
console.log(`c, d and e are added: run ${runs}; still there: c ${(await producer.findById('charges', 'c')) !== null}`)
process.exit()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
killed with a: errors 0; run again: a (attempt 2)
killed with b,c,d: errors 0; run again: b (attempt 2)
c, d and e are added: run e (attempt 1); still there: c true
EXPECTED
