import { middleware } from '../core/compose.ts'
import { headerLines } from '../core/header-values.ts'
import { keepFromCaches } from '../core/keep-from-caches.ts'
import { type Middleware, type MiddlewareContext, required } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import type { ClientRegistry, Scheme } from './client-registry.ts'
import { hintFor } from './explain.ts'
import { DEFAULT_TOLERANCE_MS } from './schemes.ts'
import {
  type SignatureFault,
  type SignedRequest,
  type Verdict,
  type VerifySettings,
  verify,
} from './verify.ts'

/** When v0 was deprecated, Unix seconds: 2026-01-01T00:00:00Z. */
export const V0_DEPRECATED_AT = 1767225600

/** RFC 9110 (15.5.2) asks for a challenge with every 401; generic HTTP clients and proxies expect one. */
export const SIGNATURE_CHALLENGE = 'Signature realm="oncekey"'

export interface VerifySignatureOptions extends Partial<VerifySettings> {
  registry: ClientRegistry
  /** For clients that have none of their own; `v1` by default: v0 covers only the body. */
  minScheme?: Scheme
  /** How far a timestamp may be from our clock, in either direction; 300,000 by default. */
  toleranceMs?: number
  /** What a proxy in front takes away from the path, such as `/shop`: clients sign the target with it. */
  strippedPrefix?: string | undefined
  /** Milliseconds since the epoch; `Date.now` by default. */
  now?: () => number
  /**
   * For test environments: `signature_invalid` says which known mistake, made with the client's real secret, gives what
   * was sent. Costs up to 0.5 s of the event loop for each such response, and its time tells which clients exist.
   */
  hints?: boolean
  /** Called once a request. The scheme is `none` where there was no signature to read. */
  onVerified?: (scheme: Scheme | 'none', result: 'ok' | SignatureFault) => void
}

/**
 * Lets a request through only with a valid signature over its bytes on the wire, and leaves who signed it in
 * `ctx.state.caller`. Needs the raw body.
 *
 * @throws ServiceError `signature_missing`, `signature_invalid`, `timestamp_out_of_range` or `scheme_not_allowed`.
 * @example app.use(rawBody()).use(verifySignature({ registry: openClientsFile({ file: 'clients.json' }) }))
 */
export function verifySignature(options: VerifySignatureOptions): Middleware {
  const { registry, now = Date.now, onVerified, hints = false } = options
  const { minScheme = 'v1', toleranceMs = DEFAULT_TOLERANCE_MS, strippedPrefix = '' } = options
  const settings: VerifySettings = { minScheme, toleranceMs }
  const check = (request: SignedRequest) => verify(request, registry, settings, now())
  return middleware(function verifySignature(ctx) {
    keepFromCaches(ctx)
    const { method = '' } = ctx.req
    const rawHeaders = headerLines(ctx.req)
    // Not `ctx.url`, of which koa-mount takes a part away.
    const target = strippedPrefix + ctx.originalUrl
    const body = required(ctx, 'body', 'rawBody')
    const request = { method, target, rawHeaders, body }
    const verdict = check(request)
    // A secret may have been handed out a moment ago, by another process. Every signature that matches nothing waits
    // for the same look, so that known and unknown clients still cannot be told apart.
    const isNoMatch = verdict.scheme !== 'none' && !verdict.ok && verdict.code === 'signature_invalid'
    const look = isNoMatch ? registry.catchUp?.() : undefined
    if (look === undefined) return conclude(ctx, request, verdict)
    return look.then((isNew) => conclude(ctx, request, isNew ? check(request) : verdict))
  })

  function conclude(ctx: MiddlewareContext, request: SignedRequest, verdict: Verdict): undefined {
    onVerified?.(verdict.scheme, verdict.ok ? 'ok' : verdict.code)
    // Only who proved to have signed with v0 is told, and before next(), so that errors further on say it too.
    const genuine = verdict.ok || verdict.code === 'scheme_not_allowed'
    if (genuine && verdict.scheme === 'v0') ctx.set('Deprecation', `@${V0_DEPRECATED_AT}`)
    const { secretExpiresAtMs } = verdict
    if (secretExpiresAtMs !== undefined)
      ctx.set('X-Secret-Expires', new Date(secretExpiresAtMs).toISOString())
    if (!verdict.ok) {
      const headers = verdict.code === 'scheme_not_allowed' ? {} : { 'WWW-Authenticate': SIGNATURE_CHALLENGE }
      const explainable = verdict.code === 'signature_invalid' || verdict.code === 'signature_missing'
      const hint = hints && explainable ? hintFor(request, registry, now()) : undefined
      const detail = hint === undefined ? verdict.detail : `${verdict.detail} Hint: ${hint}.`
      throw new ServiceError(verdict.code, detail, { headers })
    }
    ctx.state.caller = { client: verdict.client, scheme: verdict.scheme }
  }
}
