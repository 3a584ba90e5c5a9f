import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { progress } from '../chaos/long-runs.ts'
import { addTotal, readTotals, requestsOf, type Total, totalsTable } from '../chaos/totals.ts'
import { endsWithin, VoidRun } from '../chaos/void-run.ts'

const ONE: Total = {
  startedOn: '2026-11-29T17:00:00.000Z',
  commit: 'abc1234',
  seed: 's-1',
  machine: 'm',
  mode: 'orders',
  store: 'redis',
  minutes: 5,
  requests: 900,
  wanted: 100,
  succeeded: 80,
  hits: { kill: 2, stall: 1 },
  violations: 0,
  void: '',
}

describe('the totals of long runs', () => {
  test('are kept over sessions, and void runs are not counted', (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'oncekey-totals-'))
    t.after(() => rmSync(directory, { recursive: true }))
    const file = join(directory, 'runs/totals.jsonl')
    assert.deepEqual(readTotals(file), [])
    addTotal(file, ONE)
    addTotal(file, { ...ONE, seed: 's-2', void: 'too little succeeded' })
    addTotal(file, { ...ONE, seed: 's-3', mode: 'proxy', store: 'postgres', requests: 600 })
    const totals = readTotals(file)
    assert.equal(totals.length, 3)
    assert.equal(requestsOf(totals), 1_500)
    const table = totalsTable(totals)
    assert.match(table, /^\| orders \| redis \| 1 \| 5 \| 900 \| 80 % \| 3 \| 0 \|$/m)
    assert.match(table, /^\| \*\*all\*\* \| {2}\| 2 \| 10 \| 1500 \| 80 % \| 6 \| 0 \|$/m)
    assert.match(table, /2 kinds of faults; 1 more runs were void/)
    assert.match(table, /fewer than 1 in 500 of the requests, and fewer than 1 in 2 of the faults/)
  })

  test('give no bound when there was a violation', () => {
    assert.match(totalsTable([{ ...ONE, violations: 2 }]), /^2 violations\.$/m)
  })

  test('say how far a session is, its rate, and the time left', () => {
    assert.equal(progress(0, 1_000, 0, 0), '0 of 1000 requests (0.00 %), 0 a second, time left not known yet')
    const line = progress(5_000, 725_000, 1_000, 5_000)
    assert.equal(line, '5000 of 725000 requests (0.69 %), 200 a second, 1.0 h left')
  })
})

test('what a run waits for ends in time, or the run is void', async () => {
  assert.equal(await endsWithin(Promise.resolve(1), 60_000, 'it'), 1)
  await assert.rejects(endsWithin(new Promise(() => {}), 20, 'the run'), (error) => {
    assert.ok(error instanceof VoidRun)
    assert.match(error.message, /^the run did not end within 0 s$/)
    return true
  })
})
