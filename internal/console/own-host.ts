import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'

/**
 * Takes requests to hosts of this machine only. A page from elsewhere whose name was made to lead here (DNS rebinding)
 * counts as our own to its browser, and knows a token that is published. Throws `invalid_request`.
 */
export function ownHost(isLoopback: (host: string) => boolean): Middleware {
  return async function ownHost(ctx, next) {
    // As the browser sent it: what a proxy or a script says besides it is not looked at.
    const url = `http://${ctx.req.headers.host ?? ''}/`
    const host = URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : ''
    if (!isLoopback(host)) {
      const detail = 'With its published token the console is for this machine only: open it as localhost.'
      throw new ServiceError('invalid_request', detail)
    }
    await next()
  }
}
