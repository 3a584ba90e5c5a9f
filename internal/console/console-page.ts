import { readFileSync } from 'node:fs'
import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { cachedResponse, sendCached } from '../http/cached-response.ts'

/** Our own script and style, from here; no picture, no frame, no form that goes elsewhere. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

const SCRIPT = 'text/javascript; charset=utf-8'
const FILES: Readonly<Record<string, string>> = {
  'console.html': 'text/html; charset=utf-8',
  'console.css': 'text/css; charset=utf-8',
  'console.js': SCRIPT,
  'dialog.js': SCRIPT,
  'outcomes.js': SCRIPT,
  'parts.js': SCRIPT,
  'plot.js': SCRIPT,
  'search.js': SCRIPT,
  'webhooks.js': SCRIPT,
  'icon.svg': 'image/svg+xml',
}

/**
 * `GET /console` and `GET /console/:file`: the page, which knows nothing until an operator signs in on it. `prefix` goes
 * before these paths.
 */
export function consolePage(prefix = ''): Middleware {
  const files = new Map(
    Object.entries(FILES).map(([name, type]) => [
      name,
      cachedResponse(
        type,
        readFileSync(new URL(`./browser/${name}`, import.meta.url), 'utf8').replaceAll(
          '"/console/',
          `"${prefix}/console/`,
        ),
      ),
    ]),
  )
  return async function consolePage(ctx) {
    const name = ctx.path.slice(`${prefix}/console`.length).replace(/^\//, '')
    const file = files.get(name === '' ? 'console.html' : name)
    if (file === undefined) throw new ServiceError('not_found', 'There is nothing at this path.')
    ctx.set({
      'Content-Security-Policy': POLICY,
      'X-Content-Type-Options': 'nosniff',
      'X-Frame-Options': 'DENY',
      'Referrer-Policy': 'no-referrer',
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Resource-Policy': 'same-origin',
      'Permissions-Policy': 'camera=(), geolocation=(), microphone=(), payment=()',
    })
    sendCached(ctx, file)
  }
}
