import { checkMethod, checkNumber, checkOneOf } from '../core/check-option.ts'
import { middleware } from '../core/compose.ts'
import { headerLines } from '../core/header-values.ts'
import { keepFromCaches } from '../core/keep-from-caches.ts'
import { type Middleware, type MiddlewareContext, required } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { type ClientRegistry, SCHEMES, type Scheme } from './client-registry.ts'
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

/** RFC 9110 (15.5.2) requires a challenge in every 401. */
export const SIGNATURE_CHALLENGE = 'Signature realm="oncekey"'

export interface VerifySignatureOptions extends Partial<VerifySettings> {
  registry: ClientRegistry
  /** The weakest accepted scheme for clients without their own; `v1` by default, because v0 covers only the body. */
  minScheme?: Scheme
  /** By how much a timestamp may differ from our clock, in either direction; 300,000 by default. */
  toleranceMs?: number
  /** The path prefix that a proxy removes, such as `/shop`. Clients sign the target with it. */
  strippedPrefix?: string | undefined
  /** Milliseconds since the epoch; `Date.now` by default. */
  now?: () => number
  /**
   * For test environments: `signature_invalid` and `signature_missing` name the known mistake that, made with the
   * client's real secret, gives this signature. Each such response blocks the event loop for up to 0.5 s, and its time
   * reveals which clients exist.
   */
  hints?: boolean
  /** Called once for each request. The scheme is `none` if the signature is missing or malformed. */
  onVerified?: (scheme: Scheme | 'none', result: 'ok' | SignatureFault) => void
}

/**
 * Accepts a request only with a valid signature over its bytes as received, and sets `ctx.state.caller`. Needs the raw
 * body.
 *
 * @throws ServiceError `signature_missing`, `signature_invalid`, `timestamp_out_of_range` or `scheme_not_allowed`.
 * @example app.use(rawBody()).use(verifySignature({ registry: openClientsFile({ file: 'clients.json' }) }))
 */
export function verifySignature(options: VerifySignatureOptions): Middleware {
  const { registry, now = Date.now, onVerified, hints = false } = options
  const { minScheme = 'v1', toleranceMs = DEFAULT_TOLERANCE_MS, strippedPrefix = '' } = options
  checkMethod('registry', registry, 'find')
  checkOneOf('minScheme', minScheme, SCHEMES)
  checkNumber('toleranceMs', toleranceMs, 0, Number.POSITIVE_INFINITY)
  const settings: VerifySettings = { minScheme, toleranceMs }
  const check = (request: SignedRequest) => verify(request, registry, settings, now())
  return middleware(function verifySignature(ctx) {
    keepFromCaches(ctx)
    const { method = '' } = ctx.req
    const rawHeaders = headerLines(ctx.req)
    // Not `ctx.url`: koa-mount removes a part of it.
    const target = strippedPrefix + ctx.originalUrl
    const body = required(ctx, 'body', 'rawBody')
    const request = { method, target, rawHeaders, body }
    const verdict = check(request)
    // Another process may have just created the secret. Every signature that matches no secret waits for the same
    // refresh, so that the time does not show which clients exist.
    const isNoMatch = verdict.scheme !== 'none' && !verdict.ok && verdict.code === 'signature_invalid'
    const refreshed = isNoMatch ? registry.catchUp?.() : undefined
    if (refreshed === undefined) return conclude(ctx, request, verdict)
    return refreshed.then((isChanged) => conclude(ctx, request, isChanged ? check(request) : verdict))
  })

  function conclude(ctx: MiddlewareContext, request: SignedRequest, verdict: Verdict): undefined {
    onVerified?.(verdict.scheme, verdict.ok ? 'ok' : verdict.code)
    // Only for a genuine v0 signature. Set before next(), so that later error responses have the header too.
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
