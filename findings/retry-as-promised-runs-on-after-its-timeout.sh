#!/usr/bin/env bash
# retry-as-promised 7.1.1: after its TimeoutError it goes on: it calls the function again, up to `max` times.
#
# Guess: `timeout` ends the whole thing. A caller that gets a TimeoutError can rely on it that the function is not called again.
# What happens: the promise is rejected with TimeoutError while the first call is still in flight. When that call fails
#   later, its failure is treated as any other: the function is called again, and the result of these calls is lost. Here a
#   charge is made 3 calls later, after the caller has reported that there is none.
# Why it matters: a caller that sees the TimeoutError begins anew or tells its user that it failed. A connection that is
#   reset late is the ordinary case: the call outlives `timeout` and then fails. Sequelize retries its queries with this
#   package.
# Needs Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts retry-as-promised@7.1.1
cat >find.js <<'JS'
import { retryAsPromised } from 'retry-as-promised'

/** Each call is ended by hand, so that nothing depends on how fast this machine is. */
const calls = []
const callIs = async number => {
  while (calls.length < number) await new Promise(resolve => setTimeout(resolve, 1))
  return calls[number - 1]
}
const charge = () =>
  new Promise((succeed, fail) => {
    calls.push({ succeed, fail })
  })

const outcome = await retryAsPromised(charge, { max: 4, timeout: 50, backoffBase: 1 }).catch(error => error)
console.log(`the caller gets ${outcome.name} after ${calls.length} call`)
for (const number of [1, 2, 3]) {
  const { fail } = await callIs(number)
  fail(new Error('connection reset'))
  await callIs(number + 1)
  console.log(`call ${number} fails, and call ${number + 1} begins`)
}
calls[3].succeed('charged')
console.log('call 4 succeeds: charged')
JS
node find.js | tee output
diff output - <<'EXPECTED'
the caller gets TimeoutError after 1 call
call 1 fails, and call 2 begins
call 2 fails, and call 3 begins
call 3 fails, and call 4 begins
call 4 succeeds: charged
EXPECTED
