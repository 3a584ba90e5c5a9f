#!/usr/bin/env bash
# @tanstack/pacer 0.22.0, AsyncRateLimiter: a call that fails, or ends together with another one, returns the other one's result.
#
# Guess: "Returns the API response directly": maybeExecute('b') returns the result for 'b', or undefined, when it was refused or when
#   it failed and an `onError` handler is set.
# What happens: it waits for its own execution and then returns `lastResult` of the limiter. If its own failed, that is the result of
#   an earlier call, with other arguments. If two calls end in one turn of the event loop both get the result of the later one.
# Why it matters: with `onError`, as in its example, a page asks for order b and gets order a, without an error. Reading the
#   result in onSuccess, or within the function, is safe.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @tanstack/pacer@0.22.0
cat >find.js <<'JS'
import { AsyncRateLimiter } from '@tanstack/pacer'

let open
const gate = new Promise((resolve) => (open = resolve))
const orders = {
  a: async () => 'order a',
  b: async () => {
    throw new Error('b is away')
  },
  c: async () => {
    await gate
    return 'order c'
  },
  d: async () => {
    await gate
    return 'order d'
  },
}
const limiter = new AsyncRateLimiter((id) => orders[id](), {
  limit: 4,
  window: 60_000,
  onError: (error) => console.log(`onError: ${error.message}`),
  asyncRetryerOptions: { maxAttempts: 1 },
})
console.log(`a: ${await limiter.maybeExecute('a')}`)
console.log(`b: ${await limiter.maybeExecute('b')}`)
const both = Promise.all([limiter.maybeExecute('c'), limiter.maybeExecute('d')])
open()
const [c, d] = await both
console.log(`c and d at once: ${c}, ${d}`)
console.log(`a fifth one: ${await limiter.maybeExecute('a')}`)
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
a: order a
onError: b is away
b: order a
c and d at once: order d, order d
a fifth one: undefined
EXPECTED
