import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import Koa from 'koa'
import type { Middleware, RequestState } from '../../internal/core/request-state.ts'
import { RouteMap, routeFound } from '../../internal/http/route-map.ts'
import { createServer, listen } from '../../internal/http/server.ts'

const responds =
  (name: string): Middleware =>
  (ctx) => {
    ctx.body = `${name} ${routeFound(ctx)}`
  }

/** Sends requests to an app with these routes: status, body and Allow. */
async function sender(t: TestContext) {
  const routes = new RouteMap([
    { method: 'POST', path: '/things', middlewares: [responds('add')] },
    { method: 'GET', path: '/things', middlewares: [responds('list')] },
    { method: 'GET', path: '/things/:id', middlewares: [responds('show')] },
  ])
  const app = new Koa<RequestState>()
  app.silent = true
  app.use(async (ctx, next) => {
    await next()
    ctx.set('X-Route', routeFound(ctx))
  })
  app.use(routes.exact()).use(routes.patterns()).use(routes.allowedMethods())
  const server = createServer(app.callback())
  const port = await listen(server, '127.0.0.1', 0)
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return async (method: string, path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method })
    const { status, headers } = response
    return [status, await response.text(), headers.get('allow'), headers.get('x-route')]
  }
}

test('a route is found by method and path, with any query and spelling', async (t) => {
  const send = await sender(t)
  for (const path of ['/things', '/things?a=b', '/things?', '/things/', '/things/?a', '/Things']) {
    assert.deepEqual(await send('POST', path), [200, 'add /things', null, '/things'], path)
    assert.deepEqual(await send('GET', path), [200, 'list /things', null, '/things'], path)
  }
  assert.deepEqual(await send('GET', '/things/17?a=b'), [200, 'show /things/:id', null, '/things/:id'])
  assert.deepEqual(await send('HEAD', '/things'), [200, '', null, '/things'])
})

test('an unknown path has no route, and another method gets Allow', async (t) => {
  const send = await sender(t)
  assert.deepEqual(await send('GET', '/other'), [404, 'Not Found', null, 'unmatched'])
  assert.deepEqual(await send('GET', '/things/1/2'), [404, 'Not Found', null, 'unmatched'])
  assert.deepEqual(await send('DELETE', '/things'), [
    405,
    'Method Not Allowed',
    'POST, HEAD, GET',
    'unmatched',
  ])
  assert.deepEqual(await send('POST', '/things/17'), [405, 'Method Not Allowed', 'HEAD, GET', 'unmatched'])
})
