import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { compose, fork, middleware } from '../../internal/core/compose.ts'
import type { Middleware } from '../../internal/core/request-state.ts'
import { serveApp } from '../support/serve-app.ts'

/** What was passed, in its order. */
function traced() {
  const passed: string[] = []
  const step = (name: string) =>
    middleware(() => {
      passed.push(name)
    })
  const slow = (name: string) =>
    middleware(async () => {
      await turn()
      passed.push(name)
    })
  const around =
    (name: string): Middleware =>
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

const last: Middleware = (ctx) => {
  ctx.body = 'done'
}

async function asked(
  t: TestContext,
  middlewares: readonly Middleware[],
  method = 'GET',
  path = '/',
): Promise<string> {
  const port = await serveApp(t, ...middlewares)
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { method })
  return `${response.status} ${await response.text()}`
}

describe('composed middleware', () => {
  test('pass as they stand, those that wait and those that come back among them', async (t) => {
    const { passed, step, slow, around } = traced()
    const middlewares = [step('a'), slow('b'), around('c'), step('d'), around('e'), slow('f'), last]
    const expected = ['a', 'b', 'c in', 'd', 'e in', 'f', 'e out', 'c out']
    assert.equal(await asked(t, [compose(middlewares)]), '200 done')
    assert.deepEqual(passed.splice(0), expected)
    // As Koa itself takes them one by one.
    assert.equal(await asked(t, middlewares), '200 done')
    assert.deepEqual(passed, expected)
  })

  test('end with the stage that throws, at once or later', async (t) => {
    for (const failing of [
      middleware(() => {
        throw new Error('at once')
      }),
      middleware(async () => {
        await turn()
        throw new Error('later')
      }),
    ]) {
      const { passed, step, around } = traced()
      const seen: string[] = []
      const report: Middleware = async (ctx, next) => {
        await next().catch((error: unknown) => seen.push(String(error)))
        ctx.body = 'caught'
      }
      const middlewares = [report, compose([around('a'), step('b'), failing, step('c'), last])]
      assert.equal(await asked(t, middlewares), '200 caught')
      assert.deepEqual(passed, ['a in', 'b', 'a out'])
      assert.match(seen.join(), /^Error: (at once|later)$/)
    }
  })

  test('pass the way back in reverse, from the last step that let the request in', async (t) => {
    const passed: string[] = []
    const twoWay = (name: string, { late = false, refuses = false, ends = false } = {}) =>
      middleware(
        () => {
          passed.push(`${name} in`)
          if (refuses && !late) throw new Error(name)
          return late ? turn().then(() => void (refuses && assert.fail(name))) : undefined
        },
        (_, thrown) => {
          passed.push(`${name} out${thrown instanceof Error ? ` with ${thrown.message}` : ''}`)
          const left = ends ? undefined : thrown
          return late ? turn().then(() => left) : left
        },
      )
    for (const late of [false, true]) {
      for (const refuses of [false, true]) {
        const middlewares = [
          twoWay('a', { late }),
          twoWay('b', { late, ends: true }),
          twoWay('c', { late }),
          twoWay('d', { late, refuses }),
          last,
        ]
        const caught = refuses ? ' with d' : ''
        const expected = [
          ...['a in', 'b in', 'c in', 'd in', ...(refuses ? [] : ['d out'])],
          ...[`c out${caught}`, `b out${caught}`, 'a out'],
        ]
        const response = refuses ? '404 Not Found' : '200 done'
        assert.equal(await asked(t, [compose(middlewares)]), response)
        assert.deepEqual(passed.splice(0), expected)
        // As Koa itself takes them one by one, and where a fork leads to the last of them.
        const forked = middlewares.map((_, at) => {
          const branch = compose(middlewares.slice(at))
          return [compose([...middlewares.slice(0, at), fork(() => branch)])]
        })
        for (const same of [middlewares, ...forked]) {
          assert.equal(await asked(t, same), response)
          assert.deepEqual(passed.splice(0), expected)
        }
      }
    }
  })

  test('go on with the branch that a fork finds for a request, or with what comes behind them', async (t) => {
    const { passed, step } = traced()
    const branches = new Map(['/a', '/b'].map((path) => [path, compose([step(`on ${path}`), last])]))
    const inner = compose([step('found'), fork(({ path }) => branches.get(path))])
    const forks = [
      compose([
        step('first'),
        middleware(
          () => undefined,
          (_, thrown) => thrown,
        ),
        fork(() => inner),
      ]),
      last,
    ]
    for (const path of ['/a', '/b', '/a', '/c']) {
      assert.equal(await asked(t, forks, 'GET', path), '200 done')
      assert.deepEqual(passed.splice(0), ['first', 'found', ...(path === '/c' ? [] : [`on ${path}`])])
    }
  })

  test('go on behind the fork from a branch that goes on, also from one within it', async (t) => {
    for (const back of [undefined, (_: unknown, thrown: unknown) => thrown]) {
      const { passed, step, around } = traced()
      const first = middleware(() => undefined, back)
      const inmost = compose([step('in the branch'), around('inmost')])
      const branch = compose([step('found'), fork(() => inmost), step('behind the branch'), around('branch')])
      const forks = [first, fork(() => branch), step('behind the fork'), around('rest')]
      const expected = [
        ...['found', 'in the branch', 'inmost in', 'behind the branch', 'branch in', 'behind the fork'],
        ...['rest in', 'rest out', 'branch out', 'inmost out'],
      ]
      for (const same of [[compose(forks), last], [...forks, last], [compose([...forks, last])]]) {
        assert.equal(await asked(t, same), '200 done')
        assert.deepEqual(passed.splice(0), expected)
      }
    }
  })

  test('give a promise that rejects where what comes behind throws at once', async (t) => {
    const seen: unknown[] = []
    const caught: Middleware = (ctx, next) =>
      next().catch((error: unknown) => {
        seen.push(error)
        ctx.body = 'caught'
      })
    const throwing: Middleware = () => assert.fail('at once')
    const branch = compose([throwing])
    for (const behind of [throwing, compose([throwing]), fork(() => branch)]) {
      assert.equal(await asked(t, [compose([caught, behind])]), '200 caught')
      assert.equal(await asked(t, [caught, behind]), '200 caught')
    }
    assert.equal(seen.length, 6)
  })

  test('throw on the way back what a way back throws, at once or later, and for nothing an error', async (t) => {
    const seen: unknown[] = []
    const report: Middleware = async (ctx, next) => {
      await next().catch((error: unknown) => seen.push(error))
      ctx.body = 'caught'
    }
    const pass = () => undefined
    const backs = [
      () => assert.fail('in place of it'),
      () => turn().then(() => assert.fail('in place of it')),
    ]
    for (const back of backs) {
      const nothing: Middleware = () => Promise.reject(undefined)
      const middlewares = [
        middleware(pass, back),
        middleware(pass, (_, thrown) => seen.push(thrown)),
        nothing,
      ]
      assert.equal(await asked(t, [report, compose(middlewares)]), '200 caught')
      assert.equal(await asked(t, [report, ...middlewares]), '200 caught')
    }
    assert.equal(seen.length, 8)
    seen.forEach((error, n) => {
      assert.match(String(error), n % 2 === 0 ? /^Error: undefined was thrown/ : /in place of it/)
    })
  })

  test('go on with what comes behind them, also where there are none', async (t) => {
    const { passed, step } = traced()
    assert.equal(await asked(t, [compose([]), compose([step('a')]), last]), '200 done')
    assert.deepEqual(passed, ['a'])
  })
})
