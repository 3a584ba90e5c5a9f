import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { z } from 'zod'
import { listen } from '../../internal/http/server.ts'
import { ROUTES, scopeOf } from '../../src/service/routes.ts'
import { COLLECTION, ENVIRONMENT, runCollection } from '../support/newman.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const read = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'))

const REQUEST = z.object({
  name: z.string(),
  request: z.object({ method: z.string(), url: z.object({ raw: z.string() }) }),
})
const FOLDERS = z.object({ item: z.array(z.object({ name: z.string(), item: z.array(REQUEST) })) })
const requests = FOLDERS.parse(read(COLLECTION)).item.flatMap((folder) => folder.item)

test('the collection passes twice in a row, and each run places its two orders', async (t) => {
  const { service, orders, close } = await startServiceOnDatabase({
    RATE_LIMITS: 'none',
    SIMULATED_FAILURE_RATE: '0',
  })
  t.after(close)
  for (const run of [1, 2]) {
    const {
      exitCode,
      requests: sent,
      assertions,
      failures,
    } = await runCollection(COLLECTION, {
      base_url: service.url,
    })
    assert.deepEqual([failures, exitCode], [[], 0])
    assert.equal(sent, requests.length)
    assert.ok(assertions > sent, `${assertions} assertions for ${sent} requests`)
    assert.equal((await orders()).length, run * 2)
  }
  const keys = (await orders()).map(({ idempotency_key }) => idempotency_key)
  assert.equal(new Set(keys).size, 4, 'keys are new in each run')
})

test('one run fits into the limit of the demo, and the next one says to wait', async (t) => {
  const { service, close } = await startServiceOnDatabase({ SIMULATED_FAILURE_RATE: '0.5' })
  t.after(close)
  assert.deepEqual((await runCollection(COLLECTION, { base_url: service.url })).failures, [])
  const { exitCode, failures } = await runCollection(COLLECTION, { base_url: service.url })
  assert.equal(exitCode, 1)
  assert.match(failures[0] ?? '', /^Place an order: .*: wait \d+ s, then run all again$/)
})

test('a run with a secret that is not right says so', async (t) => {
  const { service, orders, close } = await startServiceOnDatabase({ SIMULATED_FAILURE_RATE: '0' })
  t.after(close)
  const { exitCode, failures } = await runCollection(COLLECTION, { base_url: service.url, secret: 'not-it' })
  assert.equal(exitCode, 1)
  assert.match(failures.join('\n'), /Place an order: 201 with the order: .*\b201\b.*\b401\b/)
  assert.deepEqual(await orders(), [])
})

test('every request has a test that a service which responds with anything at all does not pass', async (t) => {
  const server = createServer((_, response) =>
    response.setHeader('X-Request-Id', 'x').writeHead(418).end('{}'),
  )
  const port = await listen(server, '127.0.0.1', 0)
  t.after(() => server.close())
  const { failures } = await runCollection(COLLECTION, { base_url: `http://127.0.0.1:${port}` })
  for (const { name } of requests) {
    const own = failures.filter(
      (failure) => failure.startsWith(`${name}: `) && !/problem documents/.test(failure),
    )
    assert.notDeepEqual(own, [], name)
  }
})

test('every route of the API is requested', () => {
  const routes = ROUTES.filter(({ isOfPage }) => isOfPage !== true).map(scopeOf)
  assert.ok(routes.length > 15)
  const requested = requests.map(({ request: { method, url } }) => {
    const path = url.raw.replace(/^\{\{\w+\}\}/, '').replace(/\?.*/, '')
    return `${method} ${path}`
  })
  for (const route of new Set(routes)) {
    const pattern = new RegExp(`^${route.replace(/:\w+/g, '[^/]+')}$`)
    assert.ok(
      requested.some((one) => pattern.test(one)),
      `no request is for ${route}`,
    )
  }
})

test('the secret and the API key are variables of type secret in the environment, with the values of the demo', () => {
  const { values } = z
    .object({ values: z.array(z.object({ key: z.string(), value: z.string(), type: z.string() })) })
    .parse(read(ENVIRONMENT))
  assert.deepEqual(
    values.filter(({ key, type }) => type === 'secret' || /secret|password|token|key/.test(key)),
    [
      { key: 'secret', value: 'super-secret-key', type: 'secret' },
      { key: 'api_key', value: 'test-api-key', type: 'secret' },
    ],
  )
  assert.doesNotMatch(readFileSync(COLLECTION, 'utf8'), /super-secret-key|test-api-key/)
})
