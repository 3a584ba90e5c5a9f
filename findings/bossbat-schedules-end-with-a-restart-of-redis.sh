#!/usr/bin/env bash
# bossbat 1.2.0: after a restart of Redis no job of a schedule runs any more, until a process that hires it starts again.
#
# Guess: the schedules are in Redis, which keeps its data (appendonly), and the connections come back by themselves. At the latest after
#   the next interval the jobs run again.
# What happens: the next run is a key that expires, and the event of its expiry runs the job and sets the next key. A key whose time comes
#   while Redis is down expires without an event, and nothing else sets it again. The switch for such events, which bossbat
#   gives with CONFIG SET when it connects for the first time, is lost in a restart, too, and a replica that takes over never had
#   it; demand(), which runs a job now, then does nothing either. With the switch in the configuration of Redis the chain still
#   breaks, but demand() mends it.
# Why it matters: the payout or the clean-up of each night stops after an update of Redis that took a second, on all nodes at once,
#   with healthy connections and without an error.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts bossbat@1.2.0
cat >find.js <<'JS'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import Bossbat from 'bossbat'

async function schedule(name, settings, options) {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  const data = ['--appendonly', 'yes', '--save', '', '--dir', mkdtempSync('data-')]
  const args = ['--port', String(port), '--bind', '127.0.0.1', ...data, ...settings]
  const start = () => spawn('redis-server', args, { stdio: 'ignore' })
  let redis = start()
  await sleep(1_000)
  let runs = 0
  const boss = new Bossbat({ connection: { port, host: '127.0.0.1' }, ...options })
  for (const client of [boss.client, boss.subscriber]) client.on('error', () => {})
  boss.hire('payout', { every: '1 second', work: async () => void runs++ })
  const show = async (when, ms) => {
    runs = 0
    await sleep(ms)
    console.error(`${name}, ${when}: ${runs} runs`)
    console.log(`${name}, ${when}: ${runs > 2 ? 'runs each second' : runs}`)
  }
  await show('at first', 5_000)
  redis.kill('SIGTERM')
  await once(redis, 'exit')
  await sleep(1_500)
  redis = start()
  await sleep(2_000)
  console.log(`${name}, Redis is back: ${await boss.client.ping()}`)
  await show('afterwards', 10_000)
  boss.demand('payout')
  await show('after demand()', 5_000)
  redis.kill('SIGTERM')
  await once(redis, 'exit')
}
await schedule('as it is', [], {})
await schedule('with notify-keyspace-events in redis.conf', ['--notify-keyspace-events', 'Ex'], { disableRedisConfig: true })
process.exit()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
as it is, at first: runs each second
as it is, Redis is back: PONG
as it is, afterwards: 0
as it is, after demand(): 0
with notify-keyspace-events in redis.conf, at first: runs each second
with notify-keyspace-events in redis.conf, Redis is back: PONG
with notify-keyspace-events in redis.conf, afterwards: 0
with notify-keyspace-events in redis.conf, after demand(): runs each second
EXPECTED
