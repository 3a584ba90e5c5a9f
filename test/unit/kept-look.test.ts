import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keptLook } from '../../internal/core/kept-look.ts'

const LONG_MS = 600_000

test('all who ask get one look, until it is forgotten', async () => {
  let looks = 0
  const kept = keptLook(async () => ++looks, 1, LONG_MS)
  assert.deepEqual(await Promise.all([kept.look(), kept.look()]), [1, 1])
  assert.equal(await kept.look(), 1)
  kept.forget()
  assert.equal(await kept.look(), 2)
})

test('a look is kept for no longer than it may be, and one that fails not at all', async () => {
  let looks = 0
  const short = keptLook(async () => ++looks, 0, 0)
  assert.deepEqual([await short.look(), await short.look()], [1, 2])
  const failing = keptLook(() => Promise.reject(new Error(String(++looks))), 1, LONG_MS)
  await assert.rejects(failing.look(), /^Error: 3$/)
  await assert.rejects(failing.look(), /^Error: 4$/)
})
