import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig, readSettings } from '../../src/config/config.ts'
import { printConfig } from '../../src/config/describe-settings.ts'
import { configFaults } from '../support/config-faults.ts'

type Settings = Record<string, string>

const faultsOf = (settings: Settings) => configFaults(() => readConfig('serve', settings))

const SECRET = 'hunter2'
const KEY = Buffer.alloc(32, 'hunter2').toString('base64')

/** Values that hold a secret and are wrong. */
const BAD_SECRETS: [name: string, values: string[], rule: RegExp][] = [
  [
    'DATABASE_URL',
    [`mysql://u:${SECRET}@db/x`, `u:${SECRET}@db`, `postgres://u:${SECRET}@db:port/x`],
    /must be a URL/,
  ],
  ['OPERATOR_TOKEN', [SECRET, `${SECRET} with spaces in it`, 'operator'], /must be 16 to 255 characters/],
  [
    'API_KEYS',
    [SECRET, `ann:${SECRET}`, `a b:${SECRET}-and-more`, `ann:${SECRET}-and-more,bob:${SECRET}-and-more`],
    /must be user:key,user:key: entry \d/,
  ],
  [
    'REDIS_URL',
    [
      `http://:${SECRET}@r`,
      `:${SECRET}@r:6379`,
      `redis://:${SECRET}@r:port`,
      `redis://:${SECRET}@a,b:6379`,
      `redis+sentinel://:${SECRET}@a:1`,
    ],
    /must be redis:\/\//,
  ],
]

for (const [name, values, rule] of BAD_SECRETS) {
  for (const value of values) {
    test(`${name}=${value} is refused without showing it`, () => {
      const faults = faultsOf({ [name]: value })
      assert.ok(faults.length > 0, 'it was accepted')
      assert.ok(
        faults.some((fault) => fault.startsWith(`${name} `) && rule.test(fault)),
        faults.join('\n'),
      )
      assert.doesNotMatch(faults.join('\n'), /hunter2/)
    })
  }
}

test('a bad SECRETS_KEY is refused without showing it', () => {
  for (const name of ['SECRETS_KEY', 'SECRETS_KEY_OLD']) {
    const others = name === 'SECRETS_KEY' ? {} : { SECRETS_KEY: KEY }
    for (const value of [SECRET, KEY.slice(1), `${KEY}A`, ` ${KEY}`, 'ab'.repeat(32)]) {
      const faults = faultsOf({ ...others, [name]: value })
      assert.equal(faults.length, 1, `${value} was accepted`)
      assert.match(faults[0] ?? '', new RegExp(`^${name} must be 32 bytes in base64`))
      assert.ok(!faults[0]?.includes(value))
    }
  }
})

/** Values that hold a secret and are taken: how they are shown. */
const MASKED: [name: string, value: string, shown: string][] = [
  ['HMAC_SECRET', SECRET, '********'],
  ['SECRETS_KEY', KEY, '********'],
  ['API_KEYS', `ann:${SECRET}-and-more`, '********'],
  ['API_KEYS', 'none', 'none'],
  ['DATABASE_URL', 'postgres://db:5432/x', 'postgres://db:5432/x'],
  ['DATABASE_URL', `postgres://u:${SECRET}@db:5432/x`, 'postgres://********@db:5432/x'],
  ['DATABASE_URL', `postgres://u:p@${SECRET}@db/x`, 'postgres://********@db/x'],
  ['DATABASE_URL', `postgres://u:12/${SECRET}@db/x`, 'postgres://********@db/x'],
  ['DATABASE_URL', `postgres://u:12,${SECRET}@db/x`, 'postgres://********@db/x'],
  ['DATABASE_URL', `postgres://db/x?password=${SECRET}`, 'postgres://db/x?********'],
  ['DATABASE_URL', `postgres://u:12?${SECRET}@db/x`, 'postgres://********@db/x'],
  ['REDIS_URL', `rediss://:${SECRET}@r:6380/1`, 'rediss://********@r:6380/1'],
  ['REDIS_URL', `redis://u:12/${SECRET}@r`, 'redis://********@r'],
  ['REDIS_URL', `redis://u:12#${SECRET}@r`, 'redis://********@r'],
  ['REDIS_URL', `redis://a:1,redis://:${SECRET}@b:2`, 'redis://a:1,redis://********@b:2'],
  ['REDIS_URL', `redis://:${SECRET}@a, redis://:${SECRET}@b:2`, 'redis://********@a, redis://********@b:2'],
  ['REDIS_URL', `redis+sentinel://:${SECRET}@a:1,b:2/main`, 'redis+sentinel://********@a:1,b:2/main'],
  ['REDIS_URL', `redis+sentinel://:1,${SECRET}@a:1/main`, 'redis+sentinel://********@a:1/main'],
  ['REDIS_URL', `redis+sentinel://a:1/main?password=${SECRET}`, 'redis+sentinel://a:1/main?********'],
]

for (const [name, value, shown] of MASKED) {
  test(`${name}=${value} is shown as ${shown}`, () => {
    const text = printConfig(readSettings('serve', { [name]: value }))
    assert.ok(text.includes(`\n${name}=${shown}\n`), text)
    assert.doesNotMatch(text, /hunter2/)
  })
}

test('a password that is not percent-encoded is refused, saying how, and not shown', () => {
  const [fault = ''] = faultsOf({ DATABASE_URL: `postgres://u:#${SECRET}@db/x` })
  assert.match(fault, /^DATABASE_URL must have user, password and name percent-encoded: # is %23/)
  assert.doesNotMatch(fault, /hunter2/)
})

test('no secret is in an error about other settings', () => {
  const faults = faultsOf({
    HMAC_SECRET: SECRET,
    DATABASE_URL: `postgres://u:${SECRET}@db/x`,
    REDIS_URL: `redis://:${SECRET}@r`,
    PORT: 'no',
  })
  assert.equal(faults.length, 1)
  assert.doesNotMatch(faults.join('\n'), /hunter2/)
})
