#!/usr/bin/env bash
# ioredis 6.0.0: call('XREAD', …) returns another shape than xread() and than ioredis 5, call('xread', …) does not.
#
# Guess: ioredis 6 speaks RESP3 by default, and with the default replyMapping the replies are "identical across both protocols". So
#   call() returns what it did in ioredis 5, and command names know no case, as in Redis.
# What happens: replies are put back into their old shape by the name of the command, and the name is compared in small letters. xread()
#   and call('xread') return [[stream, entries]] as before. call('XREAD') returns [stream, entries, stream, entries], so
#   that a loop over streams takes the name of the first one for a pair: s[0] is its first letter. call('ZRANGE', …, 'WITHSCORES')
#   returns pairs instead of a flat list. callBuffer(), pipelines and transactions do the same, and multi({ pipeline: false })
#   returns pairs even for zrange(). With protocol: 2 all is as before.
# Why it matters: the names of commands are written in capitals in the documentation of Redis and in much code with call().
#   Nothing is thrown: a consumer reads no message, and a score becomes undefined or NaN.
# Needs redis-server (6 or newer), Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts ioredis@6.0.0 ioredis-5@npm:ioredis@5.11.1
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >find.js <<'JS'
import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis-5'

const clients = {
  'ioredis 5': new Redis5({ path: 'redis' }).on('error', () => {}),
  'ioredis 6': new Redis({ path: 'redis' }).on('error', () => {}),
  'ioredis 6, protocol 2': new Redis({ path: 'redis', protocol: 2 }).on('error', () => {}),
}
const [admin] = Object.values(clients)
await admin.zadd('z', 1, 'a', 2, 'b')
for (const stream of ['s1', 's2']) await admin.xadd(stream, '1-1', 'field', 'value')

const scores = ['z', 0, -1, 'WITHSCORES']
const streams = ['STREAMS', 's1', 's2', '0', '0']
for (const [name, redis] of Object.entries(clients)) {
  const show = (what, reply) => console.log(`${name}: ${what} ${JSON.stringify(reply)}`)
  show('zrange()', await redis.zrange(...scores))
  show("call('zrange')", await redis.call('zrange', ...scores))
  show("call('ZRANGE')", await redis.call('ZRANGE', ...scores))
  show("call('xread')", await redis.call('xread', ...streams))
  show("call('XREAD')", await redis.call('XREAD', ...streams))
  await redis.multi({ pipeline: false })
  await redis.zrange(...scores)
  show('multi({ pipeline: false })', await redis.exec())
}
process.exit()
JS
redis-server --version
node find.js | tee output
diff output - <<'EXPECTED'
ioredis 5: zrange() ["a","1","b","2"]
ioredis 5: call('zrange') ["a","1","b","2"]
ioredis 5: call('ZRANGE') ["a","1","b","2"]
ioredis 5: call('xread') [["s1",[["1-1",["field","value"]]]],["s2",[["1-1",["field","value"]]]]]
ioredis 5: call('XREAD') [["s1",[["1-1",["field","value"]]]],["s2",[["1-1",["field","value"]]]]]
ioredis 5: multi({ pipeline: false }) [[null,["a","1","b","2"]]]
ioredis 6: zrange() ["a","1","b","2"]
ioredis 6: call('zrange') ["a","1","b","2"]
ioredis 6: call('ZRANGE') [["a","1"],["b","2"]]
ioredis 6: call('xread') [["s1",[["1-1",["field","value"]]]],["s2",[["1-1",["field","value"]]]]]
ioredis 6: call('XREAD') ["s1",[["1-1",["field","value"]]],"s2",[["1-1",["field","value"]]]]
ioredis 6: multi({ pipeline: false }) [[null,[["a","1"],["b","2"]]]]
ioredis 6, protocol 2: zrange() ["a","1","b","2"]
ioredis 6, protocol 2: call('zrange') ["a","1","b","2"]
ioredis 6, protocol 2: call('ZRANGE') ["a","1","b","2"]
ioredis 6, protocol 2: call('xread') [["s1",[["1-1",["field","value"]]]],["s2",[["1-1",["field","value"]]]]]
ioredis 6, protocol 2: call('XREAD') [["s1",[["1-1",["field","value"]]]],["s2",[["1-1",["field","value"]]]]]
ioredis 6, protocol 2: multi({ pipeline: false }) [[null,["a","1","b","2"]]]
EXPECTED
