import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import Router from '@koa/router'
import { ExactRoutes } from '../../internal/http/exact-routes.ts'
import type { RequestState, Stage } from '../../internal/request-state.ts'
import { before, inTurn } from '../../internal/stages.ts'
import { serveApp } from '../support/serve-app.ts'

/** What was passed, in its order. */
function traced() {
  const passed: string[] = []
  const step = (name: string) =>
    before(() => {
      passed.push(name)
    })
  const slow = (name: string) =>
    before(async () => {
      await turn()
      passed.push(name)
    })
  const around =
    (name: string): Stage =>
    async (_, next) => {
      passed.push(`${name} in`)
      try {
        await next()
      } finally {
        passed.push(`${name} out`)
      }
    }
  return { passed, step, slow, around }
}

const last: Stage = (ctx) => {
  ctx.body = 'done'
}

async function asked(t: TestContext, stages: readonly Stage[], method = 'GET', path = '/'): Promise<string> {
  const port = await serveApp(t, ...stages)
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method })
  return `${response.status} ${await response.text()}`
}

describe('stages in turn', () => {
  test('pass as they stand, those that wait and those that come back among them', async (t) => {
    const { passed, step, slow, around } = traced()
    const stages = [step('a'), slow('b'), around('c'), step('d'), around('e'), slow('f'), last]
    const expected = ['a', 'b', 'c in', 'd', 'e in', 'f', 'e out', 'c out']
    assert.equal(await asked(t, [inTurn(stages)]), '200 done')
    assert.deepEqual(passed.splice(0), expected)
    // As Koa itself takes them one by one.
    assert.equal(await asked(t, stages), '200 done')
    assert.deepEqual(passed, expected)
  })

  test('end with the stage that throws, at once or later', async (t) => {
    for (const failing of [
      before(() => {
        throw new Error('at once')
      }),
      before(async () => {
        await turn()
        throw new Error('later')
      }),
    ]) {
      const { passed, step, around } = traced()
      const seen: string[] = []
      const report: Stage = async (ctx, next) => {
        await next().catch((error: unknown) => seen.push(String(error)))
        ctx.body = 'caught'
      }
      const stages = [report, inTurn([around('a'), step('b'), failing, step('c'), last])]
      assert.equal(await asked(t, stages), '200 caught')
      assert.deepEqual(passed, ['a in', 'b', 'a out'])
      assert.match(seen.join(), /^Error: (at once|later)$/)
    }
  })

  test('go on with what comes behind them, also where there are none', async (t) => {
    const { passed, step } = traced()
    assert.equal(await asked(t, [inTurn([]), inTurn([step('a')]), last]), '200 done')
    assert.deepEqual(passed, ['a'])
  })
})

describe('exact routes', () => {
  const answer =
    (text: string): Stage =>
    (ctx) => {
      ctx.body = `${text} ${String(ctx._matchedRoute)}`
    }

  test('are found by method and path; everything else is for the router', async (t) => {
    const exact = new ExactRoutes()
    exact.add('POST', '/things', [answer('exact')])
    const router = new Router<RequestState>()
    router.post('/things', answer('router'))
    const routed: Stage = (ctx, next) => router.routes()(Object.assign(ctx, { router, params: {} }), next)
    const said = (method: string, path: string) => asked(t, [exact.stage(), routed], method, path)
    assert.equal(await said('POST', '/things'), '200 exact /things')
    assert.equal(await said('POST', '/things?a=b'), '200 router /things')
    assert.equal(await said('POST', '/things/'), '200 router /things')
    assert.equal(await said('GET', '/things'), '404 Not Found')
    assert.equal(await said('POST', '/other'), '404 Not Found')
  })
})
