import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { compareBuilds } from '../fuzz/compare-builds.ts'
import { comparedText } from '../fuzz/report-text.ts'
import { openServiceWorld } from '../fuzz/service-world.ts'

describe('two builds are compared by the same requests', { concurrency: true }, () => {
  const options = { seed: 'ci', durationMs: 60_000, maxRequests: 60 }

  test('a build and itself differ in nothing', async (t) => {
    const [here, other] = await Promise.all([openServiceWorld('redis'), openServiceWorld('redis')])
    t.after(() => Promise.all([here.close(), other.close()]))
    const report = await compareBuilds(here, other, options)
    assert.equal(report.differences.length, 0, comparedText(here.name, report))
    assert.ok(report.requests >= 60, `${report.requests} requests`)
  })

  test('what one does in another way is found, in responses, rows and records', async (t) => {
    const [here, other] = await Promise.all([openServiceWorld('redis'), openServiceWorld('postgres')])
    t.after(() => Promise.all([here.close(), other.close()]))
    const { differences } = await compareBuilds(here, other, options)
    const found = differences.map(({ what }) => what)
    for (const what of [
      'status 404 for 401',
      'log lines',
      'metrics',
      'rows of idempotency_keys',
      'records in Redis',
    ])
      assert.ok(found.includes(what), `${what} is not among ${found.join(', ')}`)
  })
})
