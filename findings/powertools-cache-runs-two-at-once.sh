#!/usr/bin/env bash
# @aws-lambda-powertools/idempotency 2.35.0 on Redis: without a Lambda context two calls with one key run at once.
#
# Guess: registerLambdaContext() only says when a record in progress ends; without it the second of two calls at once is
#   refused with IdempotencyAlreadyInProgressError, until the record expires.
# What happens: CachePersistenceLayer takes a record in progress that does not say when it ends for that of a call that has
#   died. The second call takes it over at once and runs beside the first; each returns its own result. With a context one runs.
# Why it matters: makeIdempotent() around any function, as its documentation shows it for code outside of the handler,
#   protects from repetitions afterwards and not from those at the same time. A warning in the log names the missing context.
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

async function twoAtOnce(key, context) {
  const config = new IdempotencyConfig({ eventKeyJmesPath: 'key' })
  if (context !== undefined) config.registerLambdaContext(context)
  let runs = 0
  let goOn
  const bothAsked = new Promise((resolve) => {
    goOn = resolve
  })
  const place = makeIdempotent(
    async () => {
      const run = ++runs
      await bothAsked
      return { run }
    },
    { persistenceStore: new CachePersistenceLayer({ client }), config },
  )
  const told = (promise) => promise.then(JSON.stringify, ({ name }) => name)
  const both = [told(place({ key })), told(place({ key }))]
  // Long after both have asked Redis.
  setTimeout(goOn, 1_000)
  return `${(await Promise.all(both)).sort().join(' and ')}, runs: ${runs}`
}

console.log(`with a context: ${await twoAtOnce('key-1', { getRemainingTimeInMillis: () => 30_000 })}`)
console.log(`without one: ${await twoAtOnce('key-2', undefined)}`)
await client.close()
JS
node find.js | tee output
diff output - <<'EXPECTED'
with a context: IdempotencyAlreadyInProgressError and {"run":1}, runs: 1
without one: {"run":1} and {"run":2}, runs: 2
EXPECTED
