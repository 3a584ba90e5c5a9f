#!/usr/bin/env bash
# ioredis 6.0.0 and iovalkey 0.3.3: a cluster with `cluster-preferred-endpoint-type unknown-endpoint` is never reached.
#
# Guess: CLUSTER SLOTS then has null in place of each host, which Redis documents as "the endpoint that you asked". The
#   drivers take the host that they have just used, as node-redis (redis 5.8.2) does.
# What happens: both leave such nodes out. They are left with no node, close, and begin again, for ever, several times a
#   second. A command waits without end, and no error is emitted that would tell why.
# Why it matters: the setting is meant for nodes that do not know by which address clients see them, as behind a load
#   balancer or with host ports of containers. The service looks as if Redis were away, though PING and CLUSTER INFO
#   succeed.
# Needs Node.js 20 or newer, npm, and redis-server 7 (Debian: redis-server). Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap '[ ! -f "$folder/pid" ] || kill "$(cat "$folder/pid")"; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund ioredis@6.0.0 iovalkey@0.3.3 redis@5.8.2
port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port % 50000 + 1024); s.close() })')
redis-server --port "$port" --bind 127.0.0.1 --dir "$folder" --save '' --cluster-enabled yes --daemonize yes \
  --cluster-preferred-endpoint-type unknown-endpoint --pidfile "$folder/pid" >log
cat >reach.js <<'JS'
import { Cluster, Redis } from 'ioredis'
import Valkey from 'iovalkey'
import { createCluster } from 'redis'

const port = Number(process.argv[2])
const node = new Redis(port)
await node.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
while (!String(await node.cluster('INFO')).includes('cluster_state:ok')) await new Promise((go) => setTimeout(go, 50))
console.log('CLUSTER SLOTS names the host:', (await node.cluster('SLOTS'))[0][2][0])
node.disconnect()

const reply = (promise) =>
  Promise.race([promise, new Promise((give) => setTimeout(give, 3_000, 'no reply within 3 s'))])
for (const [name, driver] of [['ioredis', Cluster], ['iovalkey', Valkey.Cluster]]) {
  const seen = []
  const cluster = new driver([{ host: '127.0.0.1', port }])
  for (const event of ['ready', 'error', 'close']) cluster.on(event, () => seen.push(event))
  const answer = await reply(cluster.set('a', '1'))
  console.log(`${name}: ${answer}; events: ${[...new Set(seen)]}; closed more than twice: ${seen.length > 2}`)
  cluster.disconnect()
}
const cluster = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] })
console.log(`redis: ${await reply(cluster.connect().then(() => cluster.set('a', '1')))}`)
process.exit()
JS
node --version
redis-server --version
node reach.js "$port" | tee output
diff output - <<'EXPECTED'
CLUSTER SLOTS names the host: null
ioredis: no reply within 3 s; events: close; closed more than twice: true
iovalkey: no reply within 3 s; events: close; closed more than twice: true
redis: OK
EXPECTED
