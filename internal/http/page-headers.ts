import type { MiddlewareContext } from '../core/request-state.ts'

/** A page that shows the data of others runs our own scripts only, connects to this service only and stands in no frame. */
const policy = (images: string) =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src ${images}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')

/** Swagger UI draws its arrows and locks from data: URLs in its style sheet. */
export const OWN_AND_DATA = "'self' data:"

/** For all that a browser shows. `images`: where they may come from. */
export function setPageHeaders(ctx: MiddlewareContext, images = "'self'"): void {
  ctx.set({
    'Content-Security-Policy': policy(images),
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=()',
  })
}
