import assert from 'node:assert/strict'
import { test } from 'node:test'
import { effectOf } from '../../internal/idempotency/idempotency.ts'
import { PROBLEMS, type ProblemCode, ServiceError } from '../../internal/service-error.ts'

type Effect = ReturnType<typeof effectOf>

/** What a handler answers by itself, without throwing. */
const ANSWERED: Record<Effect, number[]> = {
  answer: [200, 201, 202, 204, 206, 301, 303, 304, 307, 308, 402, 404, 409, 422],
  'nothing happened': [400, 401, 403, 405, 406, 408, 410, 413, 415, 418, 425, 428, 429, 431, 503],
  unknown: [500, 501, 502, 504, 507, 511, 599],
}

for (const [effect, statuses] of Object.entries(ANSWERED)) {
  for (const status of statuses) {
    test(`an answer of ${status} means: ${effect}`, () => assert.equal(effectOf(status, undefined), effect))
  }
}

/** Each code when a handler throws it; a code that is new must be decided here. */
const THROWN: Record<ProblemCode, Effect> = {
  invalid_json: 'nothing happened',
  invalid_request: 'nothing happened',
  idempotency_key_missing: 'nothing happened',
  idempotency_key_invalid: 'nothing happened',
  signature_missing: 'nothing happened',
  signature_invalid: 'nothing happened',
  timestamp_out_of_range: 'nothing happened',
  scheme_not_allowed: 'nothing happened',
  not_found: 'answer',
  method_not_allowed: 'nothing happened',
  not_acceptable: 'nothing happened',
  request_timeout: 'nothing happened',
  // 409s about the key: stored, they would stand in the way of the request that the key belongs to.
  idempotency_key_reused: 'nothing happened',
  request_in_progress: 'nothing happened',
  outcome_unknown: 'nothing happened',
  body_too_large: 'nothing happened',
  unsupported_media_type: 'nothing happened',
  validation_failed: 'answer',
  rate_limited: 'nothing happened',
  headers_too_large: 'nothing happened',
  internal_error: 'nothing happened',
  store_unavailable: 'nothing happened',
  shutting_down: 'nothing happened',
  api_key_invalid: 'nothing happened',
  backend_unreachable: 'nothing happened',
  circuit_open: 'nothing happened',
  // Whoever throws it says with its effect that more may have happened.
  backend_timeout: 'nothing happened',
}

const CODES = Object.keys(PROBLEMS).filter((code): code is ProblemCode => code in PROBLEMS)

test('every problem code is decided', () => assert.deepEqual(Object.keys(THROWN).sort(), CODES.sort()))

for (const code of CODES) {
  test(`${code} means: ${THROWN[code]}`, () => {
    const error = new ServiceError(code, 'x')
    assert.equal(effectOf(error.status, error), THROWN[code])
  })

  test(`${code} with an unknown effect never frees the key`, () => {
    const error = new ServiceError(code, 'x', { effect: 'unknown' })
    assert.equal(effectOf(error.status, error), 'unknown')
  })
}

for (const thrown of [new Error('defect'), new TypeError('defect'), 'a string', null, 0, { status: 422 }]) {
  test(`a thrown ${String(thrown)} is a defect: its effect is unknown, whatever status it got`, () => {
    for (const status of [200, 400, 422, 500, 503]) assert.equal(effectOf(status, thrown), 'unknown')
  })
}
