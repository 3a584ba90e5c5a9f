import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { coalesce } from '../../internal/database/coalesce.ts'

/** Work that ends on command and counts its runs. */
function work() {
  const ends: (() => void)[] = []
  const run = () =>
    new Promise<number>((resolve) => {
      const n = ends.push(() => resolve(n))
    })
  return { ends, run }
}

test('calls during a run share the next run, which starts after it', async () => {
  const { ends, run } = work()
  const call = coalesce(run, 0)
  const first = call()
  await sleep(5)
  assert.equal(ends.length, 1)
  const [second, third] = [call(), call()]
  await sleep(5)
  assert.equal(ends.length, 1, 'runs do not overlap')
  ends[0]?.()
  assert.equal(await first, 1)
  await sleep(20)
  assert.equal(ends.length, 2)
  ends[1]?.()
  assert.deepEqual(await Promise.all([second, third]), [2, 2])
})

test('a call after the end starts a new run', async () => {
  let runs = 0
  const call = coalesce(async () => ++runs, 0)
  assert.equal(await call(), 1)
  assert.equal(await call(), 2)
})

test('runs keep the gap for any number of calls; the first run and one after a pause do not wait', async () => {
  const startedMs: number[] = []
  const call = coalesce(async () => startedMs.push(performance.now()), 40)
  // However long that takes on a busy machine.
  while (startedMs.length < 4) {
    void call()
    await sleep(1)
  }
  startedMs.forEach((ms, i) => {
    assert.ok(ms - (startedMs[i - 1] ?? 0) >= 39)
  })
  await call()
  await sleep(80)
  const askedMs = performance.now()
  await call()
  assert.ok(performance.now() - askedMs < 39)
})

test('a failed run rejects its calls, but not those of the next run', async () => {
  let runs = 0
  const call = coalesce(async () => {
    if (++runs === 1) throw new Error('away')
    return runs
  }, 0)
  await assert.rejects(call(), /away/)
  assert.equal(await call(), 2)
})
