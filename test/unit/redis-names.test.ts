import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { redisNames } from '../../internal/idempotency/redis-names.ts'
import { boundedScope } from '../../internal/idempotency/store.ts'

const part = fc.string({ unit: fc.constantFrom('a', ':', '%', '3', 'A', '{', '}', '/', ' ', '*', 'ä') })
const ID = fc.record({ client: part, scope: part, key: part }, { noNullPrototype: true })

test('a name tells the id that it stands for', () => {
  const names = redisNames('a:{b}')
  fc.assert(
    fc.property(ID, (id) => {
      assert.deepEqual(names.recordOf(names.record(id)), id)
      assert.equal(names.clientOf(names.log(id.client)), id.client)
    }),
  )
})

test('two ids never share a name', () => {
  const names = redisNames()
  fc.assert(
    fc.property(ID, ID, (one, other) => {
      const same = JSON.stringify(one) === JSON.stringify(other)
      assert.equal(names.record(one) === names.record(other), same)
    }),
  )
})

test('ordinary scopes are readable in Redis, and tagged by client', () => {
  const id = { client: 'acme', scope: 'POST /orders', key: 'a:b' }
  assert.equal(redisNames().record(id), 'oncekey:key:{acme}:POST /orders:a:b')
  assert.equal(redisNames().log('acme'), 'oncekey:audit:{acme}')
})

test('a name that is none of ours is refused', () => {
  for (const name of ['other:key:{a}:b:c', 'oncekey:key:{a', 'oncekey:key:{a}:b']) {
    assert.throws(() => redisNames().recordOf(name), /none of ours/)
  }
})

test('a scope has at most 512 bytes, and one that is bounded already stays as it is', () => {
  const path = (length: number, character = 'a') => `POST /${character.repeat(length)}`
  assert.equal(boundedScope(path(506)), path(506))
  for (const long of [
    path(507),
    path(16_384),
    path(300, 'ä'),
    `POST /${'x'.repeat(93)}${'😀'.repeat(200)}`,
  ]) {
    const bounded = boundedScope(long)
    assert.ok(Buffer.byteLength(bounded) <= 512)
    assert.match(bounded, /^POST \/.*~sha256=[0-9a-f]{64}$/)
    assert.equal(boundedScope(bounded), bounded)
    assert.equal(Buffer.from(bounded).toString(), bounded)
  }
  assert.notEqual(boundedScope(`${path(600)}1`), boundedScope(`${path(600)}2`))
})
