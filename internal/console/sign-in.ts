import { createHash, timingSafeEqual } from 'node:crypto'
import { clientAddress } from '../core/client-address.ts'
import { headerValues } from '../core/header-values.ts'
import type { Middleware, MiddlewareContext } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'

export interface SignInOptions {
  token: string
  /** Milliseconds; never goes back. */
  now: () => number
}

/** Wrong tokens from one address in a minute. */
const MAX_FAILURES = 10
const WINDOW_MS = 60_000
/** Addresses with a count of their own; others share one. */
const MAX_ADDRESSES = 1_000

const CHALLENGE = { 'WWW-Authenticate': 'Bearer realm="oncekey console"' }

/**
 * Requires the operator token, from a page of the console or no page. Throws `invalid_request` for other pages,
 * `api_key_invalid`, and `rate_limited` after too many wrong tokens, then for the right one too.
 */
export function signIn({ token, now }: SignInOptions): Middleware {
  const expected = digestOf(token)
  const failures = new FailedSignIns(now)
  return async function signIn(ctx, next) {
    ctx.set('Cache-Control', 'no-store')
    refuseOtherSites(ctx)
    // No await between check and count, so that concurrent tries all count.
    const waitMs = failures.waitMs(clientAddress(ctx))
    if (waitMs > 0) {
      throw new ServiceError('rate_limited', 'Too many wrong operator tokens came from this address.', {
        retryAfterMs: waitMs,
      })
    }
    const sent = headerValues(ctx.req.rawHeaders, 'authorization')
    const given = sent.length === 1 ? (/^bearer +(\S+)$/i.exec(sent[0] ?? '')?.[1] ?? '') : ''
    if (!timingSafeEqual(digestOf(given), expected)) {
      if (sent.length > 0) failures.add(clientAddress(ctx))
      throw new ServiceError('api_key_invalid', 'The operator token is not valid.', { headers: CHALLENGE })
    }
    await next()
  }
}

/** A second defence: without cookies a foreign page has no credentials anyway. */
function refuseOtherSites(ctx: MiddlewareContext): void {
  const site = ctx.get('Sec-Fetch-Site')
  const origin = ctx.get('Origin')
  const isOwn = origin === '' || (URL.canParse(origin) && new URL(origin).host === ctx.host)
  if ((site === '' || site === 'same-origin') && isOwn) return
  throw new ServiceError('invalid_request', 'The console takes requests from its own page only.')
}

class FailedSignIns {
  readonly #now: () => number
  readonly #addresses = new Map<string, { count: number; untilMs: number }>()

  constructor(now: () => number) {
    this.#now = now
  }

  waitMs(address: string): number {
    const known = this.#addresses.get(this.#place(address))
    return known === undefined || known.count < MAX_FAILURES ? 0 : Math.max(0, known.untilMs - this.#now())
  }

  add(address: string): void {
    const nowMs = this.#now()
    for (const [old, { untilMs }] of this.#addresses) if (untilMs <= nowMs) this.#addresses.delete(old)
    const place = this.#place(address)
    const { count, untilMs } = this.#addresses.get(place) ?? { count: 0, untilMs: nowMs + WINDOW_MS }
    this.#addresses.set(place, { count: count + 1, untilMs })
  }

  #place(address: string): string {
    return this.#addresses.has(address) || this.#addresses.size < MAX_ADDRESSES ? address : 'others'
  }
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/**
 * Accepts requests to hosts of this machine only: a foreign page whose name resolves to this machine (DNS rebinding) is our own
 * to its browser, and could use the published token. Throws `invalid_request`.
 */
export function ownHost(isLoopback: (host: string) => boolean): Middleware {
  return async function ownHost(ctx, next) {
    // As the browser sent it; X-Forwarded-Host does not count.
    const url = `http://${ctx.req.headers.host ?? ''}/`
    const host = URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : ''
    if (!isLoopback(host)) {
      const detail = 'With its published token the console is for this machine only: open it as localhost.'
      throw new ServiceError('invalid_request', detail)
    }
    await next()
  }
}
