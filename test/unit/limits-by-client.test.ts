import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Limit,
  limitsByClient,
  parseClientLimits,
  parseRateLimits,
} from '../../internal/ratelimit/rate-limits.ts'
import type { Client } from '../../internal/signature/client-registry.ts'
import { clientLimits } from '../../src/runtime/limits.ts'

const EVERYBODY = parseRateLimits('global=100/1s,ip=50/1s,client=10/60s,endpoint=5/60s')
const texts = (limits: readonly Limit[]) => limits.map(({ scope, quota }) => `${scope}=${quota}`).join()

test('limits of a client replace those of scope client and endpoint, and no others', () => {
  const own = parseClientLimits('client=600/60s')
  const none = parseClientLimits('none')
  let made = 0
  const applied = limitsByClient(
    EVERYBODY,
    (client) => (client === 'acme' ? own : client === 'free' ? none : undefined),
    (limits) => {
      made++
      return limits
    },
  )
  assert.equal(texts(applied('acme')), 'global=100,ip=50,client=600')
  assert.equal(texts(applied('free')), 'global=100,ip=50')
  assert.equal(texts(applied('other')), texts(EVERYBODY))
  for (let i = 0; i < 10; i++) applied('acme')
  assert.equal(made, 3, 'each is made once')
})

test('limits of a client cannot have a scope that counts other clients', () => {
  for (const text of ['global=1/1s', 'client=1/1s,ip=1/1s', 'client=0/1s', '']) {
    assert.throws(() => parseClientLimits(text), Error, text)
  }
  assert.throws(() => parseClientLimits('ip=1/1s'), /have the scopes client and endpoint, not ip/)
})

test('clients with the same text share one list; an invalid text is reported once and ignored', () => {
  const client = (id: string, limits?: string): Client => ({ id, secrets: [], minScheme: undefined, limits })
  const known = [client('a', 'client=5/1s'), client('b', 'client=5/1s'), client('c'), client('d', 'nonsense')]
  const reported: unknown[] = []
  const registry = { find: (id: string) => known.find((one) => one.id === id) }
  const ownLimits = clientLimits(registry, { error: (fields: unknown) => reported.push(fields) })
  assert.equal(ownLimits('a')?.[0]?.quota, 5)
  assert.equal(ownLimits('a'), ownLimits('b'))
  for (const id of ['c', 'd', 'd', 'unknown']) assert.equal(ownLimits(id), undefined, id)
  assert.equal(reported.length, 1)
})
