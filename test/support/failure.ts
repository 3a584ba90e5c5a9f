import assert from 'node:assert/strict'
import { ProblemError } from '../../src/client.ts'

/** What a call of the client rejects with. */
export async function failure(promise: Promise<unknown>): Promise<ProblemError> {
  const error = await promise.then(
    (value) => assert.fail(`it did not fail: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ProblemError, String(error))
  return error
}
