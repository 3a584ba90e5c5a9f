import { checkMethod } from '../core/check-option.ts'
import { headerLines, headerValues } from '../core/header-values.ts'
import { keepFromCaches } from '../core/keep-from-caches.ts'
import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { type ApiKeys, bearerToken } from './api-keys.ts'
import { OPEN_CLIENT } from './client-registry.ts'
import { SIGNATURE_CHALLENGE } from './verify-signature.ts'

export interface AuthenticateOptions {
  /** The middleware of `verifySignature`, which handles signed requests. */
  verifySignature: Middleware
  apiKeys: ApiKeys
  /** Accepts a request without any credentials, as client `anonymous`. Wrong credentials are still refused. */
  open?: boolean
  /** Called once for each request that is not passed to the signature middleware. */
  onAuthenticated?: (
    scheme: 'bearer' | 'open' | 'none',
    result: 'ok' | 'api_key_invalid' | 'signature_missing',
  ) => void
}

const BEARER_CHALLENGE = 'Bearer realm="oncekey"'
const INVALID_TOKEN = `${BEARER_CHALLENGE}, error="invalid_token"`
const SIGNED = ['x-signature', 'signature-input', 'signature'] as const

const MISSING =
  'Authenticate: send Authorization: Bearer with your API key, or sign the request and send the signature as X-Signature.'
const BOTH = 'Send an API key or a signature, not both.'
/** One text for every wrong key, so that a caller cannot learn which keys look valid. */
const INVALID = 'The API key is not valid. Send exactly one Authorization: Bearer and your key.'

/**
 * Accepts a request with an API key or a signature, and sets `ctx.state.caller`. A signed request needs the raw body.
 *
 * @throws ServiceError `api_key_invalid` or `signature_missing`, and what the signature middleware throws.
 * @example app.use(authenticate({ verifySignature: verifySignature({ registry }), apiKeys: apiKeys(keys) }))
 */
export function authenticate(options: AuthenticateOptions): Middleware {
  const { verifySignature, apiKeys, open = false, onAuthenticated } = options
  if (typeof verifySignature !== 'function') throw new TypeError('verifySignature must be a middleware')
  checkMethod('apiKeys', apiKeys, 'find')
  return async function authenticate(ctx, next) {
    keepFromCaches(ctx)
    const rawHeaders = headerLines(ctx.req)
    const authorization = headerValues(rawHeaders, 'authorization')
    const isSigned = SIGNED.some((name) => headerValues(rawHeaders, name).length > 0)
    if (authorization.length === 0 && isSigned) return await verifySignature(ctx, next)
    if (authorization.length === 0) {
      if (!open) {
        onAuthenticated?.('none', 'signature_missing')
        const headers = { 'WWW-Authenticate': [BEARER_CHALLENGE, SIGNATURE_CHALLENGE] }
        throw new ServiceError('signature_missing', MISSING, { headers })
      }
      onAuthenticated?.('open', 'ok')
      ctx.state.caller = { client: OPEN_CLIENT, scheme: 'open' }
      return await next()
    }
    // The lookup runs in every case: a malformed or repeated header takes as long as a wrong key.
    const token = authorization.length === 1 ? bearerToken(authorization[0] ?? '') : undefined
    const user = apiKeys.find(token ?? '')
    if (user === undefined || token === undefined || isSigned) {
      onAuthenticated?.('bearer', 'api_key_invalid')
      throw new ServiceError('api_key_invalid', isSigned ? BOTH : INVALID, {
        headers: { 'WWW-Authenticate': INVALID_TOKEN },
      })
    }
    onAuthenticated?.('bearer', 'ok')
    ctx.state.caller = { client: user, scheme: 'bearer' }
    return await next()
  }
}
