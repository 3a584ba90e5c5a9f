#!/usr/bin/env bash
# PGlite 0.5.16 (PostgreSQL 18.6): autovacuum, checkpoint_timeout and statement_timeout are on, and nothing acts on them.
#
# Guess: SHOW says what is in force: with `autovacuum = on` dead rows are removed after a while, `checkpoint_timeout` keeps
#   the write-ahead log small, and `statement_timeout` ends a statement that takes too long.
# What happens: there are no background processes and no signals. With autovacuum_naptime = 1s a table of 1,000 rows that
#   are replaced 100 times is as large after five seconds as before, until VACUUM is called. With checkpoint_timeout = 30s
#   there is no checkpoint in 35 seconds of writes. pg_sleep(1.5) under statement_timeout = 200ms ends in good order.
#   clock_timestamp() counts in whole milliseconds.
# Why it matters: a database that is open for weeks grows without end, and every rewrite of a row is kept; a query that
#   never ends cannot be ended from within.
# Needs Node.js 20 or newer and npm. Takes about a minute. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund @electric-sql/pglite@0.5.16
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import { PGlite } from '@electric-sql/pglite'

const first = await PGlite.create('data')
for (const setting of [`autovacuum_naptime = '1s'`, `autovacuum_vacuum_threshold = 10`, `checkpoint_timeout = '30s'`]) {
  await first.exec(`ALTER SYSTEM SET ${setting}`)
}
await first.close()

const db = await PGlite.create('data')
const value = async (query) => Object.values((await db.query(query)).rows[0])[0]
for (const name of ['autovacuum', 'autovacuum_naptime', 'checkpoint_timeout']) {
  console.log(`${name} = ${await value(`SELECT current_setting('${name}')`)}`)
}
await db.exec('CREATE TABLE t (id integer, text text)')
const rewrite = () =>
  db.exec(`DELETE FROM t; INSERT INTO t SELECT n, repeat('x', 200) FROM generate_series(1, 1000) AS n`)
for (let n = 0; n < 100; n++) await rewrite()
await sleep(5_000)
console.log(`autovacuum ran ${await value('SELECT autovacuum_count::int FROM pg_stat_user_tables')} times`)
const megabytes = async () => Math.round(Number(await value(`SELECT pg_table_size('t')::text`)) / 1e6)
const before = await megabytes()
await db.exec('VACUUM FULL t')
console.log(`VACUUM FULL: ${before > 10 ? 'more than 10' : before} MB before, ${await megabytes()} MB after`)

const checkpoint = () => value('SELECT checkpoint_lsn::text FROM pg_control_checkpoint()')
const earlier = await checkpoint()
for (let n = 0; n < 35; n++) {
  await rewrite()
  await sleep(1_000)
}
console.log(`checkpoint in 35 s of writes: ${(await checkpoint()) === earlier ? 'none' : 'yes'}`)

await db.exec(`SET statement_timeout = '200ms'`)
const slept = await db.query('SELECT pg_sleep(1.5)').then(() => 'ended in good order', ({ code }) => code)
console.log(`pg_sleep(1.5) under statement_timeout = 200ms: ${slept}`)
const micros = `SELECT max(extract(microseconds FROM clock_timestamp())::int % 1000)::int FROM generate_series(1, 1000)`
console.log(`clock_timestamp(): ${(await value(micros)) === 0 ? 'whole milliseconds' : 'microseconds'}`)
await db.close()
JS
node find.js | tee output
diff output - <<'EXPECTED'
autovacuum = on
autovacuum_naptime = 1s
checkpoint_timeout = 30s
autovacuum ran 0 times
VACUUM FULL: more than 10 MB before, 0 MB after
checkpoint in 35 s of writes: none
pg_sleep(1.5) under statement_timeout = 200ms: ended in good order
clock_timestamp(): whole milliseconds
EXPECTED
