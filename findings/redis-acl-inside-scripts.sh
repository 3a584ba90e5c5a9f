#!/usr/bin/env bash
# Redis 7.0.15: a right that a script lacks is no NOPERM, and is not found before the script has written.
#
# Guess: a user without EXPIRE gets NOPERM for a script that calls it, as for the command itself. ACL DRYRUN of the EVAL
#   says so in advance.
# What happens: the reply begins with ERR, like one for a bug in the script, and is counted as ERR in INFO errorstats. ACL
#   DRYRUN says OK. What the script wrote before stays, here a key that was to live for 10 s and now lives for good.
# Why it matters: drivers and services tell refusals by their first word. A missing right then looks like a defect that
#   no retry helps against, monitoring of NOPERM stays silent, and a lock or a cache entry is left without an end. Only ACL LOG
#   names the command (context lua).
# Needs Node.js 20 or newer, npm, and redis-server 7.0 (Debian: redis-server). Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap '[ ! -f "$folder/pid" ] || kill "$(cat "$folder/pid")"; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund ioredis@6.0.0
redis-server --port 0 --unixsocket "$folder/socket" --dir "$folder" --save '' --daemonize yes --pidfile "$folder/pid" >log
until redis-cli -s socket ping >/dev/null 2>&1; do sleep 0.1; done
cat >ask.js <<'JS'
import { Redis } from 'ioredis'

const path = `${process.cwd()}/socket`
const admin = new Redis(path)
await admin.call('ACL', 'SETUSER', 'app', 'on', '>pw', '~*', '+@all', '-expire')
const app = new Redis({ path, username: 'app', password: 'pw' })
const firstWord = (reply) => reply.then(String, (error) => error.message).then((text) => text.split(' ')[0])
await app.ping()
await admin.config('RESETSTAT')
const script = "redis.call('SET', KEYS[1], 'half'); redis.call('EXPIRE', KEYS[1], 10); return 'done'"
console.log('EXPIRE:', await firstWord(app.expire('job', 10)))
console.log('ACL DRYRUN of EVAL:', await admin.call('ACL', 'DRYRUN', 'app', 'EVAL', script, '1', 'job'))
console.log('EVAL with EXPIRE:', await firstWord(app.eval(script, 1, 'job')))
console.log('what it left:', await app.get('job'), 'for', await app.ttl('job'))
const counts = (await admin.info('errorstats')).match(/errorstat_(ERR|NOPERM):count=\d+/g)
console.log('errorstats:', counts.sort().join(' '))
const entries = await admin.call('ACL', 'LOG')
console.log('ACL LOG:', entries.map((entry) => [entry[5], entry[7]].join(' ')).join(', '))
process.exit()
JS
node --version
redis-server --version
node ask.js 2>&1 | tee output
diff output - <<'EXPECTED'
EXPIRE: NOPERM
ACL DRYRUN of EVAL: OK
EVAL with EXPIRE: ERR
what it left: half for -1
errorstats: errorstat_ERR:count=1 errorstat_NOPERM:count=1
ACL LOG: lua expire, toplevel expire
EXPECTED
