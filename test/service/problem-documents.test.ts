import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { assertProblem, type ExchangeOptions, one, type RawResponse } from '../support/raw-http.ts'
import { signedGet, signedOrder } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const world = await startServiceOnDatabase({ RATE_LIMITS: 'none' })
const { port } = world
after(() => world.close())

function ask(
  start: string,
  lines: readonly string[] = [],
  options: ExchangeOptions = {},
): Promise<RawResponse> {
  return one(port, [`${start} HTTP/1.1`, 'Host: localhost', ...lines, '', ''].join('\r\n'), options)
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

describe('routes', () => {
  for (const target of ['/nothing', '/order', '/orders/a/b', '/docs/nothing', '/favicon.ico']) {
    test(`GET ${target} is 404 not_found`, async () => {
      const response = await ask(`GET ${target}`)
      assertProblem(response, 404, 'not_found')
      assert.equal(response.header('cache-control'), 'no-store')
    })
  }

  for (const [method, target, allow] of [
    ['PUT', '/orders', ['GET', 'HEAD', 'POST']],
    ['DELETE', '/orders', ['GET', 'HEAD', 'POST']],
    ['PATCH', '/orders/1', ['GET', 'HEAD']],
    ['POST', '/orders/1', ['GET', 'HEAD']],
    ['POST', '/livez', ['GET', 'HEAD']],
    ['DELETE', '/problems/not_found', ['GET', 'HEAD']],
    ['POST', '/metrics', ['GET', 'HEAD']],
    ['SEARCH', '/orders', ['GET', 'HEAD', 'POST']],
  ] as const) {
    test(`${method} ${target} is 405 method_not_allowed with Allow`, async () => {
      const response = await ask(`${method} ${target}`)
      assertProblem(response, 405, 'method_not_allowed')
      assert.deepEqual(response.header('allow').split(', ').sort(), allow)
    })
  }

  test('OPTIONS tells the methods without a signature, and where there is nothing', async () => {
    const response = await ask('OPTIONS /orders')
    assert.equal(response.status, 200)
    assert.deepEqual(response.header('allow').split(', ').sort(), ['GET', 'HEAD', 'POST'])
    assert.equal(response.body, '')
    assertProblem(await ask('OPTIONS /nothing'), 404, 'not_found')
  })

  test('HEAD gives the headers of GET without the body, also for errors', async () => {
    for (const [target, status] of [
      ['/livez', 200],
      ['/problems/not_found', 200],
      ['/nothing', 404],
      ['/orders', 401],
    ] as const) {
      const [head, get] = [await ask(`HEAD ${target}`, [], { head: true }), await ask(`GET ${target}`)]
      assert.equal(head.status, status)
      assert.equal(get.status, status)
      for (const name of ['content-type', 'content-length']) assert.equal(head.header(name), get.header(name))
    }
    const signed = await one(port, signedGet('/orders', { method: 'HEAD' }), { head: true })
    assert.equal(signed.status, 200)
    assert.equal(signed.header('content-type'), 'application/json; charset=utf-8')
  })
})

describe('Accept', () => {
  for (const accept of [
    'text/html',
    'application/xml, text/*;q=0.5',
    'application/json;q=0',
    'image/*',
    'application/json;charset=latin1',
  ]) {
    test(`${accept} is 406 not_acceptable, and no order is placed`, async () => {
      const response = await one(port, signedOrder({ key: 'key-406', headers: [`Accept: ${accept}`] }))
      assertProblem(response, 406, 'not_acceptable')
      assert.equal((await world.orders()).length, 0)
    })
  }

  for (const accept of [
    '*/*',
    'application/*',
    'text/html, application/json;q=0.1',
    '',
    'application/json;charset=UTF-8',
  ]) {
    test(`${accept === '' ? 'nothing' : accept} is accepted`, async () => {
      assert.equal((await one(port, signedGet('/orders', { headers: [`Accept: ${accept}`] }))).status, 200)
    })
  }

  test('the open pages accept the Accept header of a browser', async () => {
    for (const target of ['/livez', '/health', '/problems/not_found']) {
      assert.equal((await ask(`GET ${target}`, ['Accept: text/html'])).status, 200)
    }
  })
})

describe('X-Request-Id', () => {
  test('is a new one for each request without an id', async () => {
    const ids = await Promise.all(
      Array.from({ length: 20 }, async () => (await ask('GET /livez')).header('x-request-id')),
    )
    assert.equal(new Set(ids).size, 20)
    for (const id of ids) assert.match(id, UUID)
  })

  test('is the id of the request, in the header and in the problem document', async () => {
    for (const id of ['a', 'A.b_c-9', 'x'.repeat(64)]) {
      const response = await ask('GET /nothing', [`x-request-id: ${id}`])
      assert.equal(response.header('x-request-id'), id)
      assert.equal(assertProblem(response, 404, 'not_found').request_id, id)
    }
  })

  test('replaces an unsafe id', async () => {
    for (const id of ['', 'x'.repeat(65), 'a b', 'a,b', 'caf\xe9', '<script>', '"', '{jndi:ldap}']) {
      assert.match((await ask('GET /livez', [`X-Request-Id: ${id}`])).header('x-request-id'), UUID)
    }
    const twice = await ask('GET /livez', ['X-Request-Id: a', 'X-Request-Id: b'])
    assert.match(twice.header('x-request-id'), UUID)
  })
})

describe('health', () => {
  test('/livez and /readyz are 200 with text', async () => {
    for (const [target, word] of [
      ['/livez', 'ok\n'],
      ['/readyz', 'ready\n'],
    ] as const) {
      const response = await ask(`GET ${target}`)
      assert.equal(response.status, 200)
      assert.equal(response.body, word)
    }
  })

  test('/health has the state of each service', async () => {
    const response = await ask('GET /health')
    assert.equal(response.status, 200)
    assert.match(response.header('content-type'), /^application\/json/)
    const { status, version, uptime_s, services } = JSON.parse(response.body)
    assert.equal(status, 'up')
    assert.match(version, /^\d+\.\d+\.\d+/)
    assert.ok(Number.isInteger(uptime_s))
    assert.deepEqual(Object.keys(services), ['database'])
    assert.equal(services.database.status, 'up')
    assert.ok(services.database.latency_ms >= 0)
  })

  test('/metrics is Prometheus text 0.0.4', async () => {
    const response = await ask('GET /metrics')
    assert.match(response.header('content-type'), /^text\/plain; version=0\.0\.4/)
    assert.match(
      response.body,
      /^http_request_duration_seconds_count\{method="GET",route="\/livez",status="200"\} \d+$/m,
    )
  })
})
