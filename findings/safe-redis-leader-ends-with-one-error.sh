#!/usr/bin/env bash
# safe-redis-leader 0.0.6 and ts-safe-redis-leader 0.0.5: after one error of Redis there is no leader any more, on any node.
#
# Guess: each node tries again after `wait`, and the leader renews its lock again. If it could not in time, it emits `demoted`.
# What happens: the renewal, or the attempt to be elected, that meets an error emits `error` and sets no timer for the next one.
#   When Redis refuses writes for one second, as around a failover, the leader never renews again, the other nodes never try
#   again, and the lock runs out. The leader gets no `demoted`: it goes on as the leader, with no lock.
# Why it matters: the work of the leader (a schedule, a payout) goes on while the old leader lives, and after its next start or
#   deployment no other node takes over. The next node that starts becomes a second leader beside the first. Call stop() and elect()
#   again on `error`.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts safe-redis-leader@0.0.6 ts-safe-redis-leader@0.0.5 ioredis@5.11.1
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import { Redis } from 'ioredis'
import safe from 'safe-redis-leader'
import ts from 'ts-safe-redis-leader/dist/safeRedisLeader.js'

const connect = () => new Redis({ path: 'redis' }).on('error', () => {})
const makers = {
  'safe-redis-leader': (key) => safe.createSafeRedisLeader({ asyncRedis: connect(), ttl: 1_500, wait: 500, key }),
  'ts-safe-redis-leader': async (key) => new ts.SafeRedisLeader(connect(), 1_500, 500, key),
}
const events = []
async function start(name, key, node) {
  const leader = await makers[name](key)
  for (const event of ['elected', 'demoted', 'error']) leader.on(event, () => events.push(`${node} ${event}`))
  await leader.elect()
}
const admin = connect()
const name = process.argv[2]
const seen = () => events.splice(0).sort().join(', ') || 'nothing'
await start(name, name, 'node 1')
await start(name, name, 'node 2')
await sleep(2_000)
console.log(`${name}: ${seen()}`)
await admin.config('SET', 'min-replicas-to-write', '1')
await sleep(1_000)
await admin.config('SET', 'min-replicas-to-write', '0')
console.log(`${name}, Redis refuses writes for a second: ${seen()}`)
await sleep(10_000)
console.log(`${name}, ten seconds later: ${seen()}; locks: ${await admin.dbsize()}`)
await start(name, name, 'node 3')
await sleep(500)
console.log(`${name}, another node starts: ${seen()}`)
await admin.flushall()
process.exit()
JS
redis-server --version
for name in safe-redis-leader ts-safe-redis-leader; do node find.js "$name"; done | tee output
diff output - <<'EXPECTED'
safe-redis-leader: node 1 elected
safe-redis-leader, Redis refuses writes for a second: node 1 error, node 2 error
safe-redis-leader, ten seconds later: nothing; locks: 0
safe-redis-leader, another node starts: node 3 elected
ts-safe-redis-leader: node 1 elected
ts-safe-redis-leader, Redis refuses writes for a second: node 1 error, node 2 error
ts-safe-redis-leader, ten seconds later: nothing; locks: 0
ts-safe-redis-leader, another node starts: node 3 elected
EXPECTED
