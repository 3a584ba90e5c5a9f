#!/usr/bin/env bash
# murlock 4.4.0: a method that takes longer than its lock throws after it has done its work, and 'order.customer.id' is one lock for all.
#
# Guess: the result of the method is the result of the call; that the lock ran out is logged. @MurLock(5000, 'order.customer.id')
#   makes one lock for each customer, like 'user.id' in the README. A second call waits "up to 5000 milliseconds".
# What happens: when the lock has run out, its release throws, and this error takes the place of the result (and of an error of the
#   method). Of a path only the first step is read: the key ends with "[object Object]", so all customers wait for each other; the
#   same for a field that the object does not have. The time to wait is set elsewhere: with wait 100 and three attempts a call waits
#   100, 200 and 300 ms, the last one after its last attempt, and gives up.
# Why it matters: the caller takes the error for a payment that was not made, and pays again. With ignoreUnlockFail: true the result
#   comes. A lock for all turns one slow customer into errors for each other one.
# Needs redis-server, Node.js 20 or newer and npm. Fails when the behaviour changes.
set -euo pipefail

folder=$(mktemp -d)
trap 'test -z "${pid:-}" || kill "$pid"; wait; rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private":true,"type":"commonjs"}' >package.json
npm install --silent --no-audit --no-fund --ignore-scripts murlock@4.4.0 @nestjs/common@11.1.8 @nestjs/core@11.1.8 redis@4.7.1 reflect-metadata@0.2.2 rxjs@7.8.2
redis-server --port 0 --unixsocket "$folder/redis" --save '' --dir "$folder" >log &
pid=$!
cat >find.js <<'JS'
require('reflect-metadata')
const { setTimeout: sleep } = require('node:timers/promises')
const { Module } = require('@nestjs/common')
const { NestFactory } = require('@nestjs/core')
const { MurLock, MurLockModule } = require('murlock')
const { createClient } = require('redis')

const socket = { path: 'redis' }
let made = 0
class Payments {
  async pay(order, ms) {
    await sleep(ms)
    made++
    return `paid by ${order.customer.id}`
  }
  async ship(order, ms) {
    return this.pay(order, ms)
  }
}
function lock(name, ...options) {
  Object.defineProperty(Payments.prototype, name, MurLock(...options)(Payments.prototype, name, Object.getOwnPropertyDescriptor(Payments.prototype, name)))
}
lock('pay', 300, 'order.id')
lock('ship', 3_000, 'order.customer.id')
class App {}
const redisOptions = { socket }
Module({ imports: [MurLockModule.forRoot({ redisOptions, wait: 100, maxAttempts: 3, logLevel: 'none' })], providers: [Payments] })(App)

async function main() {
  const redis = await createClient({ socket }).connect()
  const app = await NestFactory.createApplicationContext(App, { logger: false })
  const payments = app.get(Payments)
  const order = (id) => ({ id, customer: { id: `customer ${id}` } })
  async function show(name, call) {
    const result = await call.catch((error) => `${error.constructor.name}: ${error.message}`)
    console.log(`${name}: ${result}; payments: ${made}`)
  }
  await show('shorter than the lock', payments.pay(order(1), 100))
  await show('longer than the lock', payments.pay(order(2), 500))
  const slow = payments.ship(order(3), 1_500)
  await sleep(100)
  console.log(`locks: ${(await redis.keys('*ship*')).join()}`)
  const started = Date.now()
  await show('another customer', payments.ship(order(4), 0))
  console.log(`it waited at least 600 ms: ${Date.now() - started > 590}`)
  await slow.catch(() => {})
  process.exit()
}
main()
JS
node find.js | tee output
diff output - <<'EXPECTED'
shorter than the lock: paid by customer 1; payments: 1
longer than the lock: MurLockException: Failed to release lock for key Payments:pay:2: Failed to release lock for key Payments:pay:2; payments: 2
locks: Payments:ship:[object Object]
another customer: MurLockException: Failed to acquire lock for key Payments:ship:[object Object]: Failed to obtain lock for key Payments:ship:[object Object] after 3 attempts.; payments: 2
it waited at least 600 ms: true
EXPECTED
