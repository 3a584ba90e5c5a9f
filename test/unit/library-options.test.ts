import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  authenticate,
  connectRedis,
  idempotency,
  keyInBody,
  memoryLimiter,
  openClientsFile,
  openDatabase,
  openPostgresStore,
  outageLimiter,
  parsedBody,
  postgresStore,
  rateLimit,
  rawBody,
  redisStore,
  sweeper,
  verifySignature,
} from '../../src/index.ts'
import { ModelKeys } from '../simulation/model-keys.ts'
import { freePort } from '../support/servers.ts'

const registry = openClientsFile({ defaultSecret: 'a-secret-of-your-own' })
const store = new ModelKeys(Date.now).store(60_000)
const limiter = memoryLimiter()
const scope = 'POST /bookings'
const route = scope
const once = { store, scope, onUnknown: 'hold' }

/** The export, the options of a program in JavaScript, and what the error says. */
const REFUSED: [name: string, make: (options: never) => unknown, options: unknown, error: RegExp][] = [
  // NaN makes every comparison false: signatures of any age, or bodies of any size, would be accepted.
  ['verifySignature', verifySignature, { registry, toleranceMs: Number.NaN }, /toleranceMs .*, not NaN/],
  ['verifySignature', verifySignature, { registry, toleranceMs: '300s' }, /toleranceMs .*, not "300s"/],
  ['verifySignature', verifySignature, { registry, toleranceMs: -1 }, /toleranceMs .*, not -1/],
  // A scheme that is not known would be weaker than all.
  [
    'verifySignature',
    verifySignature,
    { registry, minScheme: 'V1' },
    /minScheme .*v0, v1, rfc9421, not "V1"/,
  ],
  ['verifySignature', verifySignature, {}, /registry must have a method find, and is undefined/],
  ['authenticate', authenticate, { verifySignature: verifySignature({ registry }) }, /apiKeys .* find/],
  ['authenticate', authenticate, { apiKeys: { find: () => undefined } }, /verifySignature must be/],
  ['rawBody', rawBody, { maxBodyBytes: '1mb' }, /maxBodyBytes .*, not "1mb"/],
  ['parsedBody', parsedBody, { maxBodyBytes: Number.NaN }, /maxBodyBytes .*, not NaN/],
  ['rawBody', rawBody, { timeoutMs: 2 ** 31 }, /timeoutMs .*2147483647, not 2147483648/],
  ['openClientsFile', openClientsFile, { defaultSecret: '' }, /defaultSecret must be a string that is not/],
  ['openClientsFile', openClientsFile, { defaultSecret: null }, /defaultSecret must be a string that is not/],
  ['rateLimit', rateLimit, { limits: 'client=1/1s' }, /route must be a string/],
  ['rateLimit', rateLimit, { route }, /limits must be text/],
  [
    'rateLimit',
    rateLimit,
    { route, limits: 'client=1/1s', limiter: {} },
    /limiter must have a method decide/,
  ],
  ['memoryLimiter', memoryLimiter, { maxEntries: Number.NaN }, /maxEntries .*, not NaN/],
  [
    'outageLimiter',
    outageLimiter,
    { limiter, local: limiter, onOutage: 'close' },
    /onOutage .*, not "close"/,
  ],
  ['idempotency', idempotency, { ...once, onUnknown: 'take-over' }, /onUnknown .*hold, not "take-over"/],
  ['idempotency', idempotency, { store, scope }, /onUnknown .*takeover, hold, not undefined/],
  ['idempotency', idempotency, { store, onUnknown: 'hold' }, /scope must be a string/],
  ['idempotency', idempotency, { ...once, store: Promise.resolve(store) }, /store .* a promise: await it/],
  ['idempotency', idempotency, { ...once, leaseMs: '30s' }, /leaseMs .*, not "30s"/],
  ['idempotency', idempotency, { ...once, leaseMs: 0 }, /leaseMs must be a number from 1 .*, not 0/],
  ['idempotency', idempotency, { ...once, maxAgeMs: Number.POSITIVE_INFINITY }, /maxAgeMs .*, not Infinity/],
  ['keyInBody', keyInBody, undefined, /member must be a string/],
  ['connectRedis', connectRedis, undefined, /url must be a string/],
  ['connectRedis', connectRedis, 'http://127.0.0.1', /url must be redis:\/\//],
]

for (const [name, make, options, error] of REFUSED) {
  test(`${name} refuses ${JSON.stringify(options)}: ${error.source}`, () => {
    assert.throws(() => Reflect.apply(make, undefined, [options]), error)
  })
}

test('a database that an app cannot use at its start is named with the cause, and without its password', async () => {
  const url = `postgres://user:hunter2@127.0.0.1:${await freePort()}/bookings`
  await assert.rejects(openPostgresStore(url), (error: Error) => {
    assert.match(
      error.message,
      /^the database bookings at 127\.0\.0\.1:\d+ cannot be used: connect ECONNREFUSED/,
    )
    return !error.message.includes('hunter2')
  })
  await assert.rejects(Reflect.apply(openPostgresStore, undefined, []), /^TypeError: url must be a string/)
})

test('the options of a database and of a sweeper are numbers of their ranges', () => {
  const [url, some] = ['postgres://127.0.0.1/x', { run: () => {} }]
  for (const [open, first, options] of [
    [openDatabase, url, { deadlineMs: '1s' }],
    [openDatabase, url, { maxConnections: 0 }],
    // A timer of NaN milliseconds fires at once, and again and again.
    [sweeper, some, { everyMs: Number.NaN }],
    [sweeper, some, { batch: 0 }],
  ] as const) {
    assert.throws(
      () => Reflect.apply(open, undefined, [first, options]),
      /^RangeError: \w+ must be a number from/,
    )
  }
})

test('the time to live of a store is a number of milliseconds', () => {
  const some = { run: () => {}, ask: () => {} }
  for (const open of [redisStore, postgresStore]) {
    for (const ttlMs of [0, Number.NaN, '24h']) {
      assert.throws(() => Reflect.apply(open, undefined, [some, { ttlMs }]), /^RangeError: ttlMs must be/)
    }
    assert.throws(() => Reflect.apply(open, undefined, []), /must have a method/)
  }
})
