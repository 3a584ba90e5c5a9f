import assert from 'node:assert/strict'
import { test } from 'node:test'
import { retryOnceIfUnknown } from '../../internal/core/retry-once-if-unknown.ts'
import { ServiceError } from '../../internal/core/service-error.ts'

const unknown = (detail: string) => new ServiceError('store_unavailable', detail, { effect: 'unknown' })
const away = new ServiceError('store_unavailable', 'not sent')
const rowFault = new Error('a value is out of range')

/** A call that gives these results in turn, and how often it was made. */
function calls(...results: (string | Error)[]) {
  let made = 0
  const call = async () => {
    const result = results[made++] ?? assert.fail('called too often')
    if (typeof result === 'string') return result
    throw result
  }
  return { call, made: () => made }
}

test('a call whose result was lost is made a second time, and no other', async () => {
  const lost = calls(unknown('first'), 'done')
  assert.equal(await retryOnceIfUnknown(lost.call), 'done')
  for (const error of [away, rowFault]) {
    const failed = calls(error)
    await assert.rejects(retryOnceIfUnknown(failed.call), error)
    assert.equal(failed.made(), 1)
  }
})

test('when the second call fails the outcome is still unknown, unless the call can never be done', async () => {
  const first = unknown('first')
  for (const second of [away, unknown('second')]) {
    await assert.rejects(retryOnceIfUnknown(calls(first, second).call), first)
  }
  await assert.rejects(retryOnceIfUnknown(calls(first, rowFault).call), rowFault)
})

test('only the second call has a shorter deadline, and a shorter one yet when the first has missed its own', async () => {
  for (const [firstMs, secondMs] of [
    [5, 1_000],
    [2_200, 600],
    [2_500, 300],
    [9_000, 300],
  ] as const) {
    let nowMs = 70
    const deadlines: unknown[] = []
    const call = async (deadlineMs?: number) => {
      deadlines.push(deadlineMs)
      nowMs += firstMs
      throw unknown('lost')
    }
    await assert.rejects(retryOnceIfUnknown(call, () => nowMs))
    assert.deepEqual(deadlines, [undefined, secondMs])
  }
})
