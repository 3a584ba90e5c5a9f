import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PROBLEMS, type ProblemCode, ServiceError } from '../../internal/core/service-error.ts'
import { outcomeOf } from '../../internal/idempotency/idempotency.ts'

type Outcome = 'completed' | 'not_executed' | 'unknown'

function wordOf(status: number, error: unknown): Outcome {
  const outcome = outcomeOf(status, error)
  return typeof outcome === 'string' ? outcome : 'unknown'
}

/** What a handler responds by itself, without throwing. */
const ANSWERED: Record<Outcome, number[]> = {
  completed: [200, 201, 202, 204, 206, 301, 303, 304, 307, 308, 402, 404, 409, 422],
  not_executed: [400, 401, 403, 405, 406, 408, 410, 413, 415, 418, 425, 428, 429, 431, 503],
  unknown: [500, 501, 502, 504, 507, 511, 599],
}

for (const [effect, statuses] of Object.entries(ANSWERED)) {
  for (const status of statuses) {
    test(`a response of ${status} means: ${effect}`, () => assert.equal(wordOf(status, undefined), effect))
  }
}

/** Each code when a handler throws it; a code that is new must be decided here. */
const THROWN: Record<ProblemCode, Outcome> = {
  invalid_json: 'not_executed',
  invalid_request: 'not_executed',
  idempotency_key_missing: 'not_executed',
  idempotency_key_invalid: 'not_executed',
  signature_missing: 'not_executed',
  signature_invalid: 'not_executed',
  timestamp_out_of_range: 'not_executed',
  scheme_not_allowed: 'not_executed',
  not_found: 'completed',
  method_not_allowed: 'not_executed',
  not_acceptable: 'not_executed',
  request_timeout: 'not_executed',
  // 409s about the key: stored, they would stand in the way of the request that the key belongs to.
  idempotency_key_reused: 'not_executed',
  request_in_progress: 'not_executed',
  outcome_unknown: 'not_executed',
  body_too_large: 'not_executed',
  unsupported_media_type: 'not_executed',
  validation_failed: 'completed',
  rate_limited: 'not_executed',
  headers_too_large: 'not_executed',
  internal_error: 'not_executed',
  store_unavailable: 'not_executed',
  shutting_down: 'not_executed',
  api_key_invalid: 'not_executed',
  backend_unreachable: 'not_executed',
  circuit_open: 'not_executed',
  // The error says with its effect that more may have happened.
  backend_timeout: 'not_executed',
}

const CODES = Object.keys(PROBLEMS).filter((code): code is ProblemCode => code in PROBLEMS)

test('every problem code is decided', () => assert.deepEqual(Object.keys(THROWN).sort(), CODES.sort()))

for (const code of CODES) {
  test(`${code} means: ${THROWN[code]}`, () => {
    const error = new ServiceError(code, 'x')
    assert.equal(wordOf(error.status, error), THROWN[code])
  })

  test(`${code} with an unknown effect never frees the key`, () => {
    const error = new ServiceError(code, 'x', { effect: 'unknown' })
    assert.equal(wordOf(error.status, error), 'unknown')
  })
}

for (const thrown of [new Error('defect'), new TypeError('defect'), 'a string', null, 0, { status: 422 }]) {
  test(`a thrown ${String(thrown)} is a defect: its effect is unknown, whatever status it got`, () => {
    for (const status of [200, 400, 422, 500, 503]) assert.equal(wordOf(status, thrown), 'unknown')
  })
}
