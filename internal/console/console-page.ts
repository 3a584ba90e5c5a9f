import { readFileSync } from 'node:fs'
import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { cachedResponse, sendCached } from '../http/cached-response.ts'
import { setPageHeaders } from '../http/page-headers.ts'

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

/** `GET /console` and `GET /console/:file`, without data until an operator signs in. `prefix` goes before the paths. */
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
    setPageHeaders(ctx)
    ctx.set('X-Frame-Options', 'DENY')
    sendCached(ctx, file)
  }
}
