import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { shareNext } from '../../internal/database/share-next.ts'

/** Work that ends when told, and counts. */
function work() {
  const ends: (() => void)[] = []
  const run = () =>
    new Promise<number>((resolve) => {
      const n = ends.push(() => resolve(n))
    })
  return { ends, run }
}

test('calls made while a run is in flight share the next one, which begins after it', async () => {
  const { ends, run } = work()
  const call = shareNext(run, 0)
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

test('a call after the end begins a new run', async () => {
  let runs = 0
  const call = shareNext(async () => ++runs, 0)
  assert.equal(await call(), 1)
  assert.equal(await call(), 2)
})

test('however many ask, runs keep the gap; the first and one after a pause do not wait', async () => {
  const startedMs: number[] = []
  const call = shareNext(async () => startedMs.push(performance.now()), 40)
  const until = performance.now() + 200
  while (performance.now() < until) {
    void call()
    await sleep(1)
  }
  assert.ok(startedMs.length >= 3 && startedMs.length <= 6, `${startedMs.length} runs in 200 ms`)
  startedMs.forEach((ms, i) => {
    assert.ok(ms - (startedMs[i - 1] ?? 0) >= 39)
  })
  await call()
  await sleep(80)
  const askedMs = performance.now()
  await call()
  assert.ok(performance.now() - askedMs < 20)
})

test('a run that fails fails its callers and not the next ones', async () => {
  let runs = 0
  const call = shareNext(async () => {
    if (++runs === 1) throw new Error('away')
    return runs
  }, 0)
  await assert.rejects(call(), /away/)
  assert.equal(await call(), 2)
})
