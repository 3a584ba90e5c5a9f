#!/usr/bin/env bash
# node-sagas 0.0.6: a saga that runs twice undoes the steps of the first run as well, and the step that failed is undone, too.
#
# Guess: the saga is built once, as in its README, and executed for each order. When a step fails, the steps that were done for this
#   order are undone, the last one first. The failed step has done nothing, so its compensation is not called.
# What happens: the list of steps to be undone belongs to the saga, not to the run, and is never emptied. Three orders go through, the
#   fourth fails: the compensations of all four runs are called, each with the parameters of the fourth. After that the list is turned
#   round, so the next failure undoes in another order. The step that failed is in the list before it is called. And when one
#   compensation fails, those behind it are not called.
# Why it matters: a refund for each order since the start of the process is sent for one customer. A charge that was refused is
#   refunded. Build a new saga for each order, and let each compensation look whether its step was done.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts node-sagas@0.0.6
cat >find.js <<'JS'
const { SagaBuilder } = require('node-sagas')

function build(calls) {
  return new SagaBuilder()
    .step('reserve').invoke(() => {}).withCompensation(({ order }) => { calls.push(`release ${order}`) })
    .step('charge').invoke(({ fails }) => { if (fails === 'charge') throw new Error('Card declined') })
    .withCompensation(({ order, stuck }) => { calls.push(`refund ${order}`); if (stuck) throw new Error('Timeout') })
    .step('ship').invoke(({ fails }) => { if (fails === 'ship') throw new Error('No truck') })
    .build()
}
async function run(saga, calls, parameters) {
  const outcome = await saga.execute(parameters).then(() => 'done', (error) => error.constructor.name)
  console.log(`order ${parameters.order}: ${outcome}: ${calls.splice(0).join(', ') || 'nothing undone'}`)
}
async function main() {
  const calls = []
  console.log('A new saga for each order')
  await run(build(calls), calls, { order: 1, fails: 'ship' })
  await run(build(calls), calls, { order: 2, fails: 'charge' })
  await run(build(calls), calls, { order: 3, fails: 'ship', stuck: true })
  console.log('One saga for all orders')
  const saga = build(calls)
  for (const order of [4, 5, 6]) await run(saga, calls, { order })
  await run(saga, calls, { order: 7, fails: 'ship' })
  await run(saga, calls, { order: 8, fails: 'ship' })
}
main()
JS
node find.js | tee output
diff output - <<'EXPECTED'
A new saga for each order
order 1: SagaExecutionFailed: refund 1, release 1
order 2: SagaExecutionFailed: refund 2, release 2
order 3: SagaCompensationFailed: refund 3
One saga for all orders
order 4: done: nothing undone
order 5: done: nothing undone
order 6: done: nothing undone
order 7: SagaExecutionFailed: refund 7, release 7, refund 7, release 7, refund 7, release 7, refund 7, release 7
order 8: SagaExecutionFailed: refund 8, release 8, release 8, refund 8, release 8, refund 8, release 8, refund 8, release 8, refund 8
EXPECTED
