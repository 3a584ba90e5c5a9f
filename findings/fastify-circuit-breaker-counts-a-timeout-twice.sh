#!/usr/bin/env bash
# @fastify/circuit-breaker 4.0.3: a response that is late counts as two failures, and half-open then lets several requests in.
#
# Guess: with threshold 6 the circuit opens after six late responses, as after six errors, and half-open lets one request
#   in.
# What happens: the error for a late response goes through the same hook again, which counts once more: three late responses
#   open the circuit. The number of requests in flight is reduced twice as well and ends below zero, so that half-open lets
#   in four at once. With `onTimeout`, and for errors, the counts are right.
# Why it matters: a service that is slow for a moment is shut off after half of what was set, and gets several requests at
#   once when it is to be tried with one.
# Needs Node.js 20 or newer and npm; nothing is sent. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"module"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts @fastify/circuit-breaker@4.0.3 fastify@5.12.8
cat >find.js <<'JS'
import { setTimeout as sleep } from 'node:timers/promises'
import breaker from '@fastify/circuit-breaker'
import Fastify from 'fastify'

const late = async () => {
  await sleep(400)
  return 'ok'
}
const broken = async () => {
  throw new Error('broken')
}
const cases = [
  ['late', {}, late],
  ['late with onTimeout', { onTimeout: () => 'late' }, late],
  ['broken', {}, broken],
]
for (const [name, options, handler] of cases) {
  const app = Fastify()
  await app.register(breaker, { timeout: 200, threshold: 6, resetTimeout: 1_000, ...options })
  let runs = 0
  app.get('/', { preHandler: app.circuitBreaker() }, () => {
    runs++
    return handler()
  })
  for (let i = 0; i < 8; i++) await app.inject('/')
  const untilOpen = runs
  await sleep(1_500)
  runs = 0
  await Promise.all(Array.from({ length: 8 }, () => app.inject('/')))
  console.log(`${name}: open after ${untilOpen}, half-open lets in ${runs}`)
  await app.close()
}
process.exit()
JS
node find.js | tee output
diff output - <<'EXPECTED'
late: open after 3, half-open lets in 4
late with onTimeout: open after 6, half-open lets in 1
broken: open after 6, half-open lets in 1
EXPECTED
