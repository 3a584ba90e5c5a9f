#!/usr/bin/env bash
# cron-cluster 1.1.3 (redis-leader 0.1.0): while Redis does not answer, each node runs the job; afterwards no node does.
#
# Guess: a node that cannot find out whether it is the leader skips the tick. When Redis answers again, one node leads again.
# What happens: when the question fails, onTick is called with the error as its argument, on each node. A job takes no argument, so it
#   runs. A pause of 3 seconds of Redis, with a commandTimeout of the client, is enough. When the leader renews its lock in this time,
#   it takes itself for replaced, and its next SET fails as well, like those of the other nodes: they emit 'error', which cron-cluster
#   does not listen to (without a handler the process ends), and no node tries again. The lock runs out, and the ticks do nothing on
#   any node.
# Why it matters: the job that must run once (a payout, a statement) runs on all nodes in the minute in which Redis fails over, and
#   then never again, without a log line. Return when onTick gets an error, and watch when the job ran last.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts cron-cluster@1.1.3 redis-leader@0.1.0 ioredis@5.11.1
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >find.js <<'JS'
const { setTimeout: sleep } = require('node:timers/promises')
const cluster = require('cron-cluster')
const { Redis } = require('ioredis')

const connect = (options) => new Redis({ path: 'redis', ...options }).on('error', () => {})
const runs = []
let ended = 0
process.on('uncaughtException', () => { ended++ })
async function main() {
  for (const node of [1, 2]) {
    const { CronJob } = cluster(connect({ commandTimeout: 500 }))
    new CronJob('* * * * * *', () => { runs.push(node) }).start()
    await sleep(500)
  }
  const admin = connect()
  const seen = () => {
    const of = runs.splice(0)
    return [1, 2].map((node) => `node ${node} ${of.filter((ran) => ran === node).length > 1 ? 'runs' : 'does not run'}`).join(', ')
  }
  // The leader renews its lock five seconds after its start.
  await sleep(3_200)
  console.log(`Redis answers: ${seen()}`)
  await admin.call('CLIENT', 'PAUSE', '3000', 'ALL')
  await sleep(3_900)
  console.log(`Redis is silent for 3 seconds: ${seen()}; errors without a listener: ${ended}`)
  // The lock, which lives for 10 seconds, may still be there.
  await sleep(12_000)
  runs.length = 0
  await sleep(15_000)
  console.log(`15 to 30 seconds later: ${seen()}; locks: ${await admin.dbsize()}`)
  process.exit()
}
main()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
Redis answers: node 1 runs, node 2 does not run
Redis is silent for 3 seconds: node 1 runs, node 2 runs; errors without a listener: 2
15 to 30 seconds later: node 1 does not run, node 2 does not run; locks: 0
EXPECTED
