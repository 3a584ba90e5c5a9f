#!/usr/bin/env bash
# @aws-lambda-powertools/idempotency 2.35.0 on Redis: with payload validation, the retry of a finished request is "another payload".
#
# Guess: with payloadValidationJmesPath the same key and the same payload replay the stored result, and another payload is
#   refused with IdempotencyValidationError.
# What happens: the record in progress has the hash of the payload. When the call ends, CachePersistenceLayer writes the record
#   again without it. From then on each call with the key is refused, also the retry of the very same request. While the
#   first call is in progress the comparison works.
# Why it matters: a client whose response was lost gets the error for a changed request. Compare payloads in the handler.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
redis-server --port 0 --unixsocket "$folder/redis.sock" --save '' >"$folder/redis.log" &
redis=$!
trap 'kill "$redis"; wait "$redis" || true; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @aws-lambda-powertools/idempotency@2.35.0 \
  @aws-lambda-powertools/jmespath@2.35.0 redis@5.8.2
cat >find.js <<'JS'
import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency'
import { CachePersistenceLayer } from '@aws-lambda-powertools/idempotency/cache'
import { createClient } from 'redis'

process.env.AWS_LAMBDA_FUNCTION_NAME = 'orders'
const client = await createClient({ socket: { path: `${process.cwd()}/redis.sock` } }).connect()
const config = new IdempotencyConfig({ eventKeyJmesPath: 'key', payloadValidationJmesPath: 'amount' })
config.registerLambdaContext({ getRemainingTimeInMillis: () => 30_000 })
let runs = 0
const members = []
const remember = async () => {
  for (const key of await client.keys('*')) members.push(Object.keys(JSON.parse(await client.get(key))).sort().join(' '))
}
const place = makeIdempotent(
  async ({ amount }) => {
    await remember()
    return { run: ++runs, amount }
  },
  { persistenceStore: new CachePersistenceLayer({ client }), config },
)
const told = (promise) => promise.then(JSON.stringify, ({ name }) => name)

console.log(`first: ${await told(place({ key: 'key-1', amount: 5 }))}`)
await remember()
console.log(`the same again: ${await told(place({ key: 'key-1', amount: 5 }))}`)
console.log(`another amount: ${await told(place({ key: 'key-1', amount: 6 }))}`)
console.log(`in progress: ${members[0]}`)
console.log(`completed: ${members[1]}`)
await client.close()
JS
node find.js | tee output
diff output - <<'EXPECTED'
first: {"run":1,"amount":5}
the same again: IdempotencyValidationError
another amount: IdempotencyValidationError
in progress: expiration in_progress_expiration status validation
completed: data expiration status
EXPECTED
