#!/usr/bin/env bash
# @electric-sql/pglite-socket 0.2.17 with several connections: all clients are one session, and each gets the same advisory lock.
#
# Guess: with maxConnections above 1 a client is a session of its own, as with every server: settings, temporary tables,
#   prepared statements and advisory locks belong to it. (Or a second client is refused, as by default.)
# What happens: transactions are kept apart: who comes meanwhile waits. Everything that lasts longer than a transaction is shared:
#   pg_try_advisory_lock() succeeds for a second client while the first has the lock, SET of one changes the other, temporary
#   tables are seen, and a prepared statement with the same name fails with "already exists". All have one pg_backend_pid().
# Why it matters: tests of code that takes a lock, such as migrations and job queues, pass here without it. Take locks that
#   end with their transaction, or test on a server.
# Needs Node.js 20 or newer and npm; only this machine is connected to. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts --legacy-peer-deps @electric-sql/pglite@0.5.14 \
  @electric-sql/pglite-socket@0.2.17 pg@8.16.3
cat >find.js <<'JS'
import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import pg from 'pg'

const db = await PGlite.create()
const server = new PGLiteSocketServer({ db, host: '127.0.0.1', port: 0, maxConnections: 10 })
const listening = new Promise((resolve) => server.addEventListener('listening', ({ detail }) => resolve(detail)))
await server.start()
const { port } = await listening

async function connected() {
  const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database: 'postgres' })
  await client.connect()
  return client
}
const [one, other] = [await connected(), await connected()]
const value = async (client, query) => Object.values((await client.query(query)).rows[0])[0]

await one.query('CREATE TABLE orders (id int)')
await one.query('BEGIN')
await one.query('INSERT INTO orders VALUES (1)')
const counted = value(other, 'SELECT count(*)::int FROM orders')
await one.query('ROLLBACK')
console.log(`the other sees of a transaction that is rolled back: ${await counted} orders`)
await one.query('SELECT pg_advisory_lock(7)')
console.log(`the other gets the same advisory lock: ${await value(other, 'SELECT pg_try_advisory_lock(7)')}`)
await one.query("SET statement_timeout = '5s'")
console.log(`statement_timeout of the other: ${await value(other, 'SHOW statement_timeout')}`)
await one.query('CREATE TEMPORARY TABLE mine (id int)')
console.log(`the other counts in the temporary table: ${await value(other, 'SELECT count(*)::int FROM mine')}`)
await one.query({ name: 'find', text: 'SELECT 1' })
await other.query({ name: 'find', text: 'SELECT 2' }).catch(({ message }) => console.log(`the other prepares: ${message}`))
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
the other sees of a transaction that is rolled back: 0 orders
the other gets the same advisory lock: true
statement_timeout of the other: 5s
the other counts in the temporary table: 0
the other prepares: prepared statement "find" already exists
EXPECTED
