import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeReport } from '../../internal/console/node-report.ts'

test('the report of a node of 0.2.0 is read while nodes are replaced one by one', () => {
  const figures = {
    version: '0.2.0',
    uptimeMs: 1,
    requestsPerS: 2,
    eventLoopMs: 3,
    residentBytes: 4,
    underWay: 5,
  }
  const { kind, requestsPerS, inFlight } = nodeReport.parse(figures)
  assert.deepEqual([kind, requestsPerS, inFlight], ['service', 2, 0])
})
