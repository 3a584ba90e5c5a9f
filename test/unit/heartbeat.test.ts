import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { Heartbeat } from '../../internal/idempotency/heartbeat.ts'

const LEASE_MS = 30_000
const MAX_AGE_MS = 600_000
let heartbeat: Heartbeat
let renewals: number[]
let renew: () => Promise<boolean>

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] })
  renewals = []
  renew = async () => true
  heartbeat = new Heartbeat({ leaseMs: LEASE_MS, maxAgeMs: MAX_AGE_MS, now: Date.now }, async () => {
    renewals.push(Date.now())
    return await renew()
  })
})
afterEach(() => {
  heartbeat.stop()
  mock.timers.reset()
})

/** Second by second, with what each beat does after its renewal. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    mock.timers.tick(1_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const gone = () => Promise.reject(new Error('the store is away'))

test('a response of 45 s outlives a lock of 30 s: no two renewals are a lease apart', async () => {
  await pass(45_000)
  assert.deepEqual(renewals, [10_000, 20_000, 30_000, 40_000])
  assert.equal(heartbeat.signal.aborted, false)
})

test('at its maximum age, and not a beat later, the lock is no longer renewed and the work is aborted', async () => {
  const { signal } = heartbeat
  await pass(MAX_AGE_MS - 1_000)
  assert.equal(signal.aborted, false)
  await pass(1_000)
  assert.equal(signal.aborted, true)
  assert.match(String(signal.reason), /600000 ms, the longest/)
  const { length } = renewals
  await pass(60_000)
  assert.equal(renewals.length, length)
})

test('the maximum age counts also where it is no multiple of the beat, and shorter than one', async () => {
  for (const [maxAgeMs, beats] of [
    [4_000, 0],
    [25_000, 2],
  ] as const) {
    let count = 0
    const startedMs = Date.now()
    const short = new Heartbeat({ leaseMs: LEASE_MS, maxAgeMs, now: Date.now }, async () => {
      count++
      return true
    })
    let endedMs: number | undefined
    short.signal.addEventListener('abort', () => {
      endedMs = Date.now() - startedMs
    })
    await pass(40_000)
    assert.deepEqual([endedMs, count], [maxAgeMs, beats])
  }
})

test('a lock that somebody else has is noticed at the next beat', async () => {
  await pass(15_000)
  renew = async () => false
  await pass(5_000)
  assert.equal(heartbeat.signal.aborted, true)
  assert.match(String(heartbeat.lostBecause), /another attempt/)
})

test('while the store is away the lock holds for its lease, and is lost at the end of it', async () => {
  await pass(10_000)
  renew = gone
  await pass(29_000)
  assert.equal(heartbeat.signal.aborted, false)
  await pass(2_000)
  assert.equal(heartbeat.signal.aborted, true)
  assert.match(String(heartbeat.lostBecause), /store was away/)
})

test('a wall clock that is set back while the store is away does not prolong the lease', async () => {
  let nowMs = 0
  const beating = new Heartbeat({ leaseMs: LEASE_MS, maxAgeMs: MAX_AGE_MS, now: () => nowMs }, gone)
  // The wall clock of this test stands still against the other one, which is what a step back does.
  nowMs += LEASE_MS
  await pass(11_000)
  assert.match(String(beating.lostBecause), /store was away/)
})

test('what was dispatched goes on through an outage of any length, and is renewed after it', async () => {
  heartbeat.outliveOutages()
  renew = gone
  await pass(120_000)
  assert.equal(heartbeat.signal.aborted, false)
  renew = async () => true
  const { length } = renewals
  await pass(20_000)
  assert.equal(renewals.length, length + 2)
  renew = async () => false
  await pass(10_000)
  assert.equal(heartbeat.signal.aborted, true, 'a lock that is lost is lost')
})

test('stopped while the store is asked, it asks no more and aborts nothing', async () => {
  let response: (renewed: boolean) => void = () => {}
  renew = () =>
    new Promise((resolve) => {
      response = resolve
    })
  await pass(10_000)
  heartbeat.stop()
  response(false)
  await pass(60_000)
  assert.equal(heartbeat.signal.aborted, false)
  assert.equal(renewals.length, 1)
})
