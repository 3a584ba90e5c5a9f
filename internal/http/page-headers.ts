import type { MiddlewareContext } from '../core/request-state.ts'

/** The page may run only our scripts, connect only to this service, and not be shown in a frame. */
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

/** Swagger UI has data: URLs for icons in its style sheet. */
export const OWN_AND_DATA = "'self' data:"

/** Sets the security headers of a page. `images`: the allowed sources of images. */
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
