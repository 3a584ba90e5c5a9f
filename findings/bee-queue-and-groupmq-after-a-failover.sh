#!/usr/bin/env bash
# bee-queue 2.0.0 and groupmq 1.1.0: after a failover of Redis each job is refused with NOSCRIPT until the process starts again.
#
# Guess: both connect again by themselves after a failover, as their drivers do, and go on.
# What happens: both load their Lua scripts once for each client and then send EVALSHA alone. The scripts that a Redis 7 has loaded
#   are not copied to its replicas, and the client outlives its connections. After the failover everything that needs a
#   script is refused with NOSCRIPT, for good: bee-queue cannot save a job, groupmq cannot add one, and neither starts one.
#   BullMQ sends the whole script again on NOSCRIPT, rsmq loads its scripts on each connection. A Redis that
#   starts again has the same effect.
# Why it matters: a failover is there so that no operator has to act. Connection and health checks (PING) are fine, and no
#   job runs until each process is started again. A test that fails over and back does not see it: the old primary still
#   has the scripts.
# Needs Redis 7 or newer, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$folder"
}
trap stop EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts bee-queue@2.0.0 groupmq@1.1.0 bullmq@6.7.0 rsmq@0.12.4 ioredis@5.11.1
free() { node -e "const s = require('node:net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close() })"; }
one=$(free) two=$(free)
redis-server --port "$one" --bind 127.0.0.1 --save '' --dir "$folder" >/dev/null &
pids+=($!)
redis-server --port "$two" --bind 127.0.0.1 --save '' --dir "$folder" --replicaof "127.0.0.1 $one" >/dev/null &
pids+=($!)
cat >find.js <<'JS'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import BeeQueue from 'bee-queue'
import { Queue } from 'bullmq'
import { Queue as GroupQueue } from 'groupmq'
import { Redis } from 'ioredis'
import RSMQ from 'rsmq'

const [one, two] = process.argv.slice(2).map(Number)
const node = (port) => new Redis({ port, host: '127.0.0.1' }).on('error', () => {})
const primary = node(one)
const replica = node(two)
const isReady = (redis, word) => redis.info('replication').then((text) => text.includes(word), () => false)
while (!(await isReady(replica, 'master_link_status:up'))) await sleep(100)

// The address of the primary, as a proxy or a service name keeps it.
let target = one
const open = new Set()
const front = createServer((client) => {
  const server = connect(target, '127.0.0.1')
  open.add(client)
  for (const [from, to] of [[client, server], [server, client]]) {
    from.on('data', (chunk) => to.write(chunk)).on('close', () => to.destroy()).on('error', () => to.destroy())
  }
}).listen(0, '127.0.0.1')
await new Promise((resolve) => front.once('listening', resolve))
const address = { host: '127.0.0.1', port: front.address().port }

const redis = new Redis({ ...address, maxRetriesPerRequest: null }).on('error', () => {})
const bee = new BeeQueue('bee', { redis: address, isWorker: false }).on('error', () => {})
const group = new GroupQueue({ redis, namespace: 'group' })
const bull = new Queue('bull', { connection: redis })
const rsmq = new RSMQ(address)
await rsmq.createQueueAsync({ qname: 'q' })
const calls = {
  bullmq: () => bull.add('charge', {}),
  rsmq: () => rsmq.receiveMessageAsync({ qname: 'q' }),
  'bee-queue': () => bee.createJob({}).save(),
  groupmq: () => group.add({ groupId: 'a', data: {} }),
}
async function all(when) {
  for (const [name, call] of Object.entries(calls)) {
    console.log(`${when}: ${name} ${await call().then(() => 'ok', (error) => error.message.split(' ')[0])}`)
  }
}
await bee.ready()
await all('before')
await primary.call('FAILOVER')
while (!(await isReady(replica, 'role:master'))) await sleep(50)
target = two
for (const socket of open) socket.destroy()
await sleep(2_000)
await all('after the failover')
await sleep(10_000)
await all('ten seconds later')
process.exit()
JS
redis-server --version
node find.js "$one" "$two" | tee output
diff output - <<'EXPECTED'
before: bullmq ok
before: rsmq ok
before: bee-queue ok
before: groupmq ok
after the failover: bullmq ok
after the failover: rsmq ok
after the failover: bee-queue NOSCRIPT
after the failover: groupmq NOSCRIPT
ten seconds later: bullmq ok
ten seconds later: rsmq ok
ten seconds later: bee-queue NOSCRIPT
ten seconds later: groupmq NOSCRIPT
EXPECTED
