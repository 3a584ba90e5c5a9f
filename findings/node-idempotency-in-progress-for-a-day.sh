#!/usr/bin/env bash
# @node-idempotency/core 1.0.11: a request in progress is kept as long as a response, and a missing key is "too long".
#
# Guess: the record of a request in progress ends soon when its process dies; the same key with another body is told that the
#   key is used; a missing key has an error code of its own.
# What happens: the record in progress gets the time to live of a response (24 h by default) and is never renewed or
#   shortened: after a crash in the handler the key says REQUEST_IN_PROGRESS for a day. While it is in progress another
#   body gets REQUEST_IN_PROGRESS too, and is compared only afterwards. With `enforceIdempotency` a missing key is reported
#   with the code of a key that is too long.
# Why it matters: clients are told to retry REQUEST_IN_PROGRESS, which does not end; `cacheTTLMS` cannot be short without
#   forgetting responses as early.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund @node-idempotency/core@1.0.11 @node-idempotency/storage-adapter-memory@1.0.2
cat >find.js <<'JS'
import { Idempotency } from '@node-idempotency/core'
import { MemoryStorageAdapter } from '@node-idempotency/storage-adapter-memory'

const storage = new MemoryStorageAdapter()
const { setIfNotExists } = storage
storage.setIfNotExists = function (key, value, options) {
  console.log(`${JSON.parse(value).status} for ${options.ttl / 3_600_000} h`)
  return setIfNotExists.call(this, key, value, options)
}
const told = (promise) => promise.then((found) => (found === undefined ? 'runs' : 'replays'), ({ code }) => code)
const idempotency = new Idempotency(storage, { enforceIdempotency: true })
const request = (headers, amount) => ({ headers, path: '/orders', method: 'POST', body: { amount } })
const keyed = (amount) => request({ 'idempotency-key': 'key-1' }, amount)

console.log(`first: ${await told(idempotency.onRequest(keyed(5)))}`)
console.log(`same body meanwhile: ${await told(idempotency.onRequest(keyed(5)))}`)
console.log(`other body meanwhile: ${await told(idempotency.onRequest(keyed(6)))}`)
await idempotency.onResponse(keyed(5), { statusCode: 201, body: 'ok' })
console.log(`same body afterwards: ${await told(idempotency.onRequest(keyed(5)))}`)
console.log(`other body afterwards: ${await told(idempotency.onRequest(keyed(6)))}`)
console.log(`without a key: ${await told(idempotency.onRequest(request({}, 5)))}`)
JS
node find.js | tee output
diff output - <<'EXPECTED'
IN_PROGRESS for 24 h
first: runs
IN_PROGRESS for 24 h
same body meanwhile: REQUEST_IN_PROGRESS
IN_PROGRESS for 24 h
other body meanwhile: REQUEST_IN_PROGRESS
IN_PROGRESS for 24 h
same body afterwards: replays
IN_PROGRESS for 24 h
other body afterwards: IDEMPOTENCY_FINGERPRINT_MISSMATCH
without a key: IDEMPOTENCY_KEY_LEN_EXEEDED
EXPECTED
