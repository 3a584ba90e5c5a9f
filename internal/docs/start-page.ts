import type { Middleware } from '../core/request-state.ts'

const PLACES = { docs: '/docs', openapi: '/openapi.json', problems: '/problems', health: '/health' }

/** `GET /`: leads a browser to the page to try the API on, and names the other places for everything else. */
export function startPage({ hasConsole }: { hasConsole: boolean }): Middleware {
  const places = hasConsole ? { ...PLACES, console: '/console' } : PLACES
  return async function startPage(ctx) {
    ctx.vary('Accept')
    if (ctx.accepts('application/json', 'text/html') === 'text/html') ctx.redirect(PLACES.docs)
    else ctx.body = places
  }
}
