import { randomUUID } from 'node:crypto'
import type { KeyId } from '../../internal/idempotency/store.ts'

/** A key that no test has used. */
export function newKeyId(scope = 'POST /orders'): KeyId {
  return { client: 'acme', scope, key: randomUUID() }
}
