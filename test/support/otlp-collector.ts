import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { json } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { z } from 'zod'

const span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().default(''),
  name: z.string(),
  kind: z.number(),
  traceState: z.string().optional(),
  attributes: z.array(z.object({ key: z.string(), value: z.unknown() })).default([]),
  status: z.object({ code: z.number().optional() }).default({}),
})
export type Span = z.infer<typeof span>

const request = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: z.array(z.object({ key: z.string(), value: z.unknown() })) }),
      scopeSpans: z.array(z.object({ spans: z.array(span) })),
    }),
  ),
})

export interface Collector {
  url: string
  spans: Span[]
  /** Of everything that was sent. */
  resource: Map<string, unknown>
  /** All that came, as it came. */
  text(): string
}

/** Takes spans by OTLP/HTTP with JSON, as an OpenTelemetry collector does. */
export async function startCollector(t: TestContext): Promise<Collector> {
  const collector = { spans: [] as Span[], resource: new Map<string, unknown>() }
  let text = ''
  const server = createServer(async (req, res) => {
    assert.equal(req.url, '/v1/traces')
    const body = await json(req)
    text += JSON.stringify(body)
    for (const { resource, scopeSpans } of request.parse(body).resourceSpans) {
      for (const { key, value } of resource.attributes) collector.resource.set(key, value)
      collector.spans.push(...scopeSpans.flatMap(({ spans }) => spans))
    }
    res.writeHead(200, { 'Content-Type': 'application/json' }).end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { ...collector, url: `http://127.0.0.1:${port}`, text: () => text }
}
