import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestOutcome } from '../../internal/core/request-outcome.ts'
import { meaningOf, ON_5XX, type On5xx } from '../../internal/proxy/response-meaning.ts'

const [REPLAYED, FREED] = ['completed', 'not_executed'] as const

const of4xx: [status: number, effect: RequestOutcome][] = [
  ...[200, 201, 204, 302, 304, 402, 404, 409, 410, 412, 422].map((one): [number, RequestOutcome] => [
    one,
    REPLAYED,
  ]),
  ...[400, 401, 403, 408, 413, 415, 425, 429].map((one): [number, RequestOutcome] => [one, FREED]),
]
for (const [status, effect] of of4xx) {
  test(`${status}: ${String(effect)}, whatever --on-5xx says`, () => {
    for (const on5xx of ON_5XX) assert.equal(meaningOf(status, undefined, on5xx), effect)
  })
}

const of5xx: Record<On5xx, Record<number, RequestOutcome>> = {
  auto: {
    500: REPLAYED,
    501: REPLAYED,
    502: { unknown: 'connection_lost' },
    503: FREED,
    504: { unknown: 'backend_timeout' },
    507: REPLAYED,
  },
  replay: { 500: REPLAYED, 502: REPLAYED, 503: FREED, 504: REPLAYED },
  hold: {
    500: { unknown: 'backend_error' },
    502: { unknown: 'connection_lost' },
    // Of Envoy: the backend may still be at work, so that a 404 of a look-up must not free the key yet.
    503: { unknown: 'connection_lost' },
    504: { unknown: 'backend_timeout' },
  },
  release: { 500: FREED, 502: FREED, 503: FREED, 504: FREED },
}
for (const on5xx of ON_5XX) {
  for (const [status, effect] of Object.entries(of5xx[on5xx])) {
    test(`${status} with --on-5xx ${on5xx}: ${JSON.stringify(effect)}`, () => {
      assert.deepEqual(meaningOf(Number(status), undefined, on5xx), effect)
    })
    test(`${status} with "Idempotency-Outcome: none" frees the key with --on-5xx ${on5xx}`, () => {
      assert.equal(meaningOf(Number(status), ' None', on5xx), FREED)
    })
  }
}
