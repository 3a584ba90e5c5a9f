import { createHash } from 'node:crypto'
import type { StageContext } from '../request-state.ts'

export interface CachedAnswer {
  type: string
  bytes: Buffer
  etag: string
}

/** An answer that is the same for everybody until the next version of the service. */
export function cachedAnswer(type: string, text: string): CachedAnswer {
  const bytes = Buffer.from(text)
  return { type, bytes, etag: etagOf(bytes) }
}

export function etagOf(bytes: Buffer): string {
  return `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
}

/** Sends it, or 304 to who has it already. */
export function sendCached(ctx: StageContext, answer: CachedAnswer): void {
  if (isFresh(ctx, answer.etag)) return
  ctx.set('Content-Type', answer.type)
  ctx.body = answer.bytes
}

/** True if the caller's copy is the current one; the answer is 304 then. Everybody keeps a copy, and asks each time. */
export function isFresh(ctx: StageContext, etag: string): boolean {
  ctx.status = 200
  ctx.set('ETag', etag)
  ctx.set('Cache-Control', 'no-cache')
  if (!ctx.fresh) return false
  ctx.status = 304
  return true
}
