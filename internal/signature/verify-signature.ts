import { required, type Stage, type StageContext } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'
import { before } from '../stages.ts'
import type { ClientRegistry, Scheme } from './client-registry.ts'
import { hintFor } from './explain.ts'
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

export interface VerifySignatureOptions extends VerifySettings {
  registry: ClientRegistry
  /** Milliseconds since the epoch. */
  now: () => number
  /**
   * For test environments: `signature_invalid` says which known mistake, made with the client's real secret, gives what
   * was sent. Costs some 10 ms of the event loop for each such answer, and its time tells which clients exist.
   */
  hints?: boolean
  /** Called once a request. The scheme is `none` where there was no signature to read. */
  onVerified?: (scheme: Scheme | 'none', result: 'ok' | SignatureFault) => void
}

/**
 * Lets a request through only with a valid signature over its bytes on the wire, and leaves who signed it in
 * `ctx.state.caller`. Throws the four signature problems. Needs the raw body.
 */
export function verifySignature(options: VerifySignatureOptions): Stage {
  const { registry, now, onVerified, hints = false } = options
  const check = (request: SignedRequest) => verify(request, registry, options, now())
  return before(function verifySignature(ctx) {
    const { method = '', url: target = '', rawHeaders } = ctx.req
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

  function conclude(ctx: StageContext, request: SignedRequest, verdict: Verdict): undefined {
    onVerified?.(verdict.scheme, verdict.ok ? 'ok' : verdict.code)
    // Only who proved to have signed with v0 is told, and before next(), so that errors further on say it too.
    const genuine = verdict.ok || verdict.code === 'scheme_not_allowed'
    if (genuine && verdict.scheme === 'v0') ctx.set('Deprecation', `@${V0_DEPRECATED_AT}`)
    const { secretExpiresAtMs } = verdict
    if (secretExpiresAtMs !== undefined)
      ctx.set('X-Secret-Expires', new Date(secretExpiresAtMs).toISOString())
    if (!verdict.ok) {
      const headers = verdict.code === 'scheme_not_allowed' ? {} : { 'WWW-Authenticate': SIGNATURE_CHALLENGE }
      const hint =
        hints && verdict.code === 'signature_invalid' ? hintFor(request, registry, now()) : undefined
      const detail = hint === undefined ? verdict.detail : `${verdict.detail} Hint: ${hint}.`
      throw new ServiceError(verdict.code, detail, { headers })
    }
    ctx.state.caller = { client: verdict.client, scheme: verdict.scheme }
  }
}
