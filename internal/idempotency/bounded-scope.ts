import { createHash } from 'node:crypto'

/** With the longest key and client far below the 2,704 bytes that an index entry of PostgreSQL may have. */
const MAX_BYTES = 512
const KEPT_CHARACTERS = 100

/**
 * The scope as stores keep it. The path of a forwarded request can have 16 KiB: beyond 512 bytes its beginning and
 * its SHA-256 stand for it. Of a scope that is already so it makes no other, so that operators can copy it.
 */
export function boundedScope(scope: string): string {
  if (scope.length * 3 <= MAX_BYTES || Buffer.byteLength(scope) <= MAX_BYTES) return scope
  const digest = createHash('sha256').update(scope).digest('hex')
  // Through bytes: a character that was cut in half becomes one that every store takes.
  return `${Buffer.from(scope.slice(0, KEPT_CHARACTERS)).toString()}~sha256=${digest}`
}
