import assert from 'node:assert/strict'
import { test } from 'node:test'
import { newKey, send } from '../support/order-client.ts'
import { startCollector } from '../support/otlp-collector.ts'
import { startBackend, startProxy } from '../support/proxy.ts'
import { until } from '../support/until.ts'

const PARENT = '00f067aa0ba902b7'

test('the sidecar records spans in the trace of its caller, and the backend gets the span of the request', async (t) => {
  const collector = await startCollector(t)
  const backend = await startBackend(t, (res) => void res.writeHead(201).end('done'))
  const proxy = await startProxy(t, backend.url, [], {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
    OTEL_BSP_SCHEDULE_DELAY: '100',
  })
  const key = newKey()
  const spansOf = async (digit: string, headers: Record<string, string>) => {
    const traceId = digit.repeat(32)
    const own = { ...headers, traceparent: `00-${traceId}-${PARENT}-01` }
    assert.equal((await send(`${proxy.url}/charge`, { method: 'POST', body: 'x', headers: own })).status, 201)
    const found = () => collector.spans.filter((span) => span.traceId === traceId)
    // The span of a request ends last.
    await until('the spans arrive', () => found().some(({ parentSpanId }) => parentSpanId === PARENT))
    return found()
  }
  const names = (spans: readonly { name: string }[]) => spans.map(({ name }) => name).sort()

  const first = await spansOf('a', { 'Idempotency-Key': key })
  assert.deepEqual(names(first), ['POST proxy', 'backend', 'claim', 'complete'])
  const request = first.find(({ name }) => name === 'POST proxy')
  assert.ok(
    first.every(({ parentSpanId, name }) => name === 'POST proxy' || parentSpanId === request?.spanId),
  )
  assert.deepEqual(backend.reached.at(-1)?.values('traceparent'), [
    `00-${'a'.repeat(32)}-${request?.spanId}-01`,
  ])

  assert.deepEqual(names(await spansOf('b', { 'Idempotency-Key': key })), ['POST proxy', 'claim'])
  assert.deepEqual(names(await spansOf('c', {})), ['POST proxy', 'backend'])
})
