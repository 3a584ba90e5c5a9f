import assert from 'node:assert/strict'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { newKey, orderBody, orderHeaders, send } from '../support/order-client.ts'
import { type Collector, startCollector } from '../support/otlp-collector.ts'
import { createDatabase, startRedis } from '../support/servers.ts'
import { type Settings, startService } from '../support/service.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'
import { until } from '../support/until.ts'
import { lines } from '../support/workers.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'

/** The spans of one trace as `name < parent`, sorted: their clock is too coarse for their order. */
function tree({ spans }: Collector, traceId: string): string[] {
  const own = spans.filter((span) => span.traceId === traceId)
  const nameOf = (id: string) => own.find(({ spanId }) => spanId === id)?.name ?? id
  return own.map(({ name, parentSpanId }) => `${name} < ${nameOf(parentSpanId)}`).sort()
}

test('with OpenTelemetry an order is a tree of spans in the trace of its caller', async (t) => {
  const redis = await startRedis()
  t.after(() => redis.stop())
  await t.test('with the keys in Redis', (t) =>
    spansOfOrders(
      t,
      { REDIS_URL: redis.url },
      {
        first: ['claim', 'complete', 'limit', 'order', 'signature'],
        replay: ['claim', 'limit', 'signature'],
        // What was replayed a moment ago is in memory: nothing is claimed.
        reused: ['limit', 'signature'],
      },
    ),
  )
  // One statement decides, stores and reads.
  await t.test('with the keys in the rows of the orders', (t) =>
    spansOfOrders(
      t,
      {},
      {
        first: ['limit', 'order', 'signature'],
        replay: ['limit', 'order', 'signature'],
        reused: ['limit', 'signature'],
      },
    ),
  )
})

/** The spans below that of the request. */
interface Expected {
  first: readonly string[]
  replay: readonly string[]
  reused: readonly string[]
}

async function spansOfOrders(t: TestContext, settings: Settings, expected: Expected): Promise<void> {
  const collector = await startCollector(t)
  const { service, close } = await startServiceOnDatabase({
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '100',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    ...settings,
  })
  const key = newKey()
  const post = async (body: string, traceparent: string, tracestate?: string) => {
    const headers = { ...orderHeaders(key, body), traceparent, ...(tracestate ? { tracestate } : {}) }
    return await send(`${service.url}/orders`, { method: 'POST', headers, body })
  }
  const placed = await post(orderBody(), `00-${TRACE}-${PARENT}-01`, 'rojo=1')
  assert.equal(placed.status, 201)
  const replayed = await post(orderBody(), `00-${'a'.repeat(32)}-${PARENT}-01`)
  assert.equal(replayed.headers['idempotent-replayed'], 'true')
  const reused = await post(orderBody({ item: 'another' }), `00-${'b'.repeat(32)}-${PARENT}-01`)
  assert.equal(reused.status, 409)
  const notSampled = await post(orderBody(), `00-${'c'.repeat(32)}-${PARENT}-00`)
  assert.equal(notSampled.status, 201)
  for (const path of ['/livez', '/metrics']) await send(`${service.url}${path}`)
  const unknown = await send(`${service.url}/orders`, { headers: { traceparent: 'nonsense' } })
  assert.equal(unknown.status, 401)
  await until('the log lines are there', () => requests().length === 7)
  await close()

  const order = 'POST /orders'
  assert.deepEqual(tree(collector, TRACE), [
    `${order} < ${PARENT}`,
    ...expected.first.map((name) => `${name} < ${order}`),
  ])
  const [root] = collector.spans.filter(
    ({ parentSpanId, traceId }) => parentSpanId === PARENT && traceId === TRACE,
  )
  assert.equal(root?.traceState, 'rojo=1')
  assert.equal(root?.kind, 2, 'a server')
  const attributes = new Map(root?.attributes.map(({ key: name, value }) => [name, value]))
  assert.deepEqual(attributes.get('http.route'), { stringValue: '/orders' })
  assert.deepEqual(attributes.get('http.response.status_code'), { intValue: 201 })
  assert.deepEqual(attributes.get('oncekey.request_id'), { stringValue: placed.headers['x-request-id'] })

  const below = (names: readonly string[]) => [
    `${order} < ${PARENT}`,
    ...names.map((name) => `${name} < ${order}`),
  ]
  assert.deepEqual(tree(collector, 'a'.repeat(32)), below(expected.replay))
  assert.deepEqual(tree(collector, 'b'.repeat(32)), below(expected.reused))
  assert.deepEqual(tree(collector, 'c'.repeat(32)), [], 'what the caller does not sample is not exported')
  const own = collector.spans.filter(({ name }) => name === 'GET /orders')
  assert.equal(own.length, 1)
  assert.notEqual(own[0]?.traceId, '0'.repeat(32))
  const failed = collector.spans.find(
    ({ traceId, name }) => traceId === own[0]?.traceId && name === 'signature',
  )
  assert.deepEqual(failed?.attributes, [{ key: 'error.type', value: { stringValue: 'signature_missing' } }])
  assert.equal(
    collector.spans.filter(({ parentSpanId }) => parentSpanId === '').length,
    1,
    'health has no spans',
  )

  assert.deepEqual(collector.resource.get('service.name'), { stringValue: 'oncekey' })
  assert.deepEqual(collector.resource.get('deployment.environment.name'), { stringValue: 'test' })
  for (const secret of [key, 'user-1', 'super-secret-key', 'postgres:'])
    assert.ok(!collector.text().includes(secret))

  const [line] = requests()
  assert.deepEqual([line?.trace_id, line?.span_id], [TRACE, root?.spanId])

  function requests() {
    return lines(service).filter(({ msg }) => msg === 'request')
  }
}

test('without OpenTelemetry the trace of the caller is in the log, or one of our own', async () => {
  const { service, close } = await startServiceOnDatabase()
  await send(`${service.url}/orders`, { headers: { traceparent: `00-${TRACE}-${PARENT}-01` } })
  await send(`${service.url}/orders`, { headers: { traceparent: `00-${TRACE}-${PARENT}` } })
  await send(`${service.url}/orders`)
  const requests = () => lines(service).filter(({ msg }) => msg === 'request')
  await until('the log lines are there', () => requests().length === 3)
  await close()
  const [given, malformed, none] = requests()
  assert.equal(given?.trace_id, TRACE)
  for (const line of [given, malformed, none]) assert.match(String(line?.span_id), /^[0-9a-f]{16}$/)
  for (const line of [malformed, none]) assert.match(String(line?.trace_id), /^(?!4bf92f)[0-9a-f]{32}$/)
  assert.notEqual(malformed?.trace_id, none?.trace_id)
})

test('the payment gateway gets the trace of the caller', async (t) => {
  const seen: IncomingHttpHeaders[] = []
  const gateway = createServer((req, res) => {
    seen.push(req.headers)
    res.writeHead(200, { 'Content-Type': 'application/json' }).end('{"id":"c1","status":"completed"}')
  }).listen(0, '127.0.0.1')
  await once(gateway, 'listening')
  t.after(() => gateway.close().closeAllConnections())
  const address = gateway.address()
  const gatewayPort = typeof address === 'object' && address !== null ? address.port : 0
  const { service, close } = await startServiceOnDatabase({ GATEWAY_URL: `http://127.0.0.1:${gatewayPort}` })
  t.after(close)
  const paid = await send(`${service.url}/api/v1/payments`, {
    method: 'POST',
    headers: {
      Authorization: 'Bearer test-api-key',
      'Content-Type': 'application/json',
      'Idempotency-Key': newKey(),
      traceparent: `00-${TRACE}-${PARENT}-01`,
      tracestate: 'rojo=1',
    },
    body: '{"amount":"5.00","currency":"USD","payment_method":"card"}',
  })
  assert.equal(paid.status, 200, paid.body.toString())
  const { traceparent, tracestate } = seen.at(-1) ?? {}
  assert.deepEqual(
    { traceparent, tracestate },
    { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: 'rojo=1' },
  )
})

test('a collector that is away costs a line in the log, no request and no second at the end', async (t) => {
  const database = await createDatabase()
  const service = await startService({
    DATABASE_URL: database.url,
    OTEL_BSP_SCHEDULE_DELAY: '50',
    OTEL_EXPORTER_OTLP_TIMEOUT: '200',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  })
  t.after(async () => {
    await service.kill()
    await database.drop()
  })
  const body = orderBody()
  const headers = orderHeaders(newKey(), body)
  assert.equal((await send(`${service.url}/orders`, { method: 'POST', headers, body })).status, 201)
  const trouble = () => lines(service).filter(({ msg }) => msg === 'OpenTelemetry has trouble')
  await until('the trouble is told', () => trouble().length > 0)
  assert.match(String(trouble()[0]?.reason), /ECONNREFUSED|[Tt]imeout/)
  assert.equal((await send(`${service.url}/orders`, { method: 'POST', headers, body })).status, 201)
  const stoppedMs = Date.now()
  assert.deepEqual(await service.stop(), { code: 0, signal: null })
  assert.ok(Date.now() - stoppedMs < 10_000)
})

test('without the packages TRACING=otel says what to install', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-tracing-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const root = fileURLToPath(new URL('../..', import.meta.url))
  for (const name of ['dist', 'sql', 'package.json'])
    cpSync(join(root, name), join(directory, name), { recursive: true })
  cpSync(join(root, 'src/oncekey.js'), join(directory, 'src/oncekey.js'))
  const modules = join(directory, 'node_modules')
  mkdirSync(modules)
  for (const name of await readdir(join(root, 'node_modules'))) {
    if (name !== '@opentelemetry' && !name.startsWith('.'))
      symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
  const program = join(directory, 'src/oncekey.js')
  const database = await createDatabase()
  t.after(() => database.drop())
  const DATABASE_URL = database.url
  await assert.rejects(
    startService({ DATABASE_URL, TRACING: 'otel' }, ['serve'], program),
    /oncekey serve: tracing needs the package @opentelemetry\/api: run "npm install @opentelemetry\/api @opentelemetry\/sdk-node", or set TRACING=off\n/,
  )
  const service = await startService(
    { DATABASE_URL, TRACING: 'off', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' },
    ['serve'],
    program,
  )
  assert.deepEqual(await service.stop(), { code: 0, signal: null })
})
