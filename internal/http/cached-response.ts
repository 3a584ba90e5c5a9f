import { createHash } from 'node:crypto'
import type { MiddlewareContext } from '../core/request-state.ts'

export interface CachedResponse {
  type: string
  bytes: Buffer
  etag: string
}

/** Builds a response that is the same for every client until the next version of the service. */
export function cachedResponse(type: string, text: string): CachedResponse {
  const bytes = Buffer.from(text)
  return { type, bytes, etag: etagOf(bytes) }
}

export function etagOf(bytes: Buffer): string {
  return `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
}

/** Sends the response, or 304 if the client has the current copy. */
export function sendCached(ctx: MiddlewareContext, response: CachedResponse): void {
  if (isFresh(ctx, response.etag)) return
  ctx.set('Content-Type', response.type)
  ctx.body = response.bytes
}

/** Sets ETag and `no-cache` (clients store a copy and revalidate it). True if the client's copy is current: status 304. */
export function isFresh(ctx: MiddlewareContext, etag: string): boolean {
  ctx.status = 200
  ctx.set('ETag', etag)
  ctx.set('Cache-Control', 'no-cache')
  if (!ctx.fresh) return false
  ctx.status = 304
  return true
}
