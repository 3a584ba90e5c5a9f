import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Middleware } from '../../internal/core/request-state.ts'
import { problems } from '../../internal/http/problems.ts'
import { createLogger } from '../../internal/telemetry/logger.ts'
import { createMetrics } from '../../internal/telemetry/metrics.ts'
import { observe } from '../../internal/telemetry/observe.ts'
import { exchange, serveApp } from '../support/serve-app.ts'

async function observed(t: TestContext, handler: Middleware) {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-log-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'log')
  const logger = createLogger({ level: 'info', file })
  const metrics = createMetrics()
  const port = await serveApp(
    t,
    observe(metrics, logger, () => '/orders/:id'),
    problems(() => {}),
    handler,
  )
  return {
    metrics,
    send: (method: string, target: string, ...lines: string[]) =>
      exchange(
        port,
        [`${method} ${target} HTTP/1.1`, 'Host: a', 'Connection: close', ...lines, '', ''].join('\r\n'),
      ),
    async series() {
      const { values } = await metrics.requestDuration.get()
      return values
        .filter(({ metricName }) => metricName?.endsWith('_count'))
        .map(({ labels, value }) => [labels.method, labels.route, labels.status, value])
    },
    log() {
      logger.flushSync()
      return readFileSync(file, 'utf8')
    },
  }
}

const ok: Middleware = async function ok(ctx) {
  ctx.body = 'ok'
}

test('paths, queries and headers make no new series', async (t) => {
  const { send, series } = await observed(t, ok)
  for (let i = 0; i < 20; i++) await send('GET', `/orders/${i}?q=${i}`, `X-Client-Id: client-${i}`)
  assert.deepEqual(await series(), [['GET', '/orders/:id', 200, 20]])
})

test('methods that nobody uses share one label', async (t) => {
  const { send, series } = await observed(t, ok)
  for (const method of ['PROPFIND', 'PURGE', 'TRACE', 'M-SEARCH', 'POST']) await send(method, '/')
  assert.deepEqual(await series(), [
    ['other', '/orders/:id', 200, 4],
    ['POST', '/orders/:id', 200, 1],
  ])
})

test('a request that fails is counted with the status that was sent, and is no longer in flight', async (t) => {
  const { send, series, metrics } = await observed(t, async () => {
    assert.deepEqual((await metrics.requestsInFlight.get()).values, [{ value: 1, labels: {} }])
    throw new Error('defect')
  })
  await send('GET', '/')
  assert.deepEqual(await series(), [['GET', '/orders/:id', 500, 1]])
  assert.deepEqual((await metrics.requestsInFlight.get()).values, [{ value: 0, labels: {} }])
})

test('the line of a request has its path, cut, and neither query nor header values nor body', async (t) => {
  const { send, log } = await observed(t, ok)
  const path = `/${'p'.repeat(5_000)}`
  await send('GET', `${path}?token=hunter2`, 'X-Signature: hunter2', 'Authorization: Bearer hunter2')
  await send('GET', '/orders?token=hunter2')
  const text = log()
  const [line, short] = text
    .trimEnd()
    .split('\n')
    .map((one) => JSON.parse(one))
  assert.equal(line.path, path.slice(0, 200))
  assert.equal(short.path, '/orders')
  assert.equal(line.msg, 'request')
  assert.equal(line.status, 200)
  assert.ok(line.duration_ms >= 0)
  assert.doesNotMatch(text, /hunter2/)
})
