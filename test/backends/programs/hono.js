import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { BLOCK, half, isFirst, LARGE, pieces, run, STILL_MS } from './acts.js'

const TYPES = { events: 'text/event-stream', 'half-events': 'text/event-stream' }
const LENGTHS = { large: LARGE, 'half-large': LARGE, 'half-length': 1_000 }
const wait = () => new Promise((resolve) => setTimeout(resolve, STILL_MS))

/** The pieces of a response, by the name of its path. */
async function* body(name, headers, text) {
  if (name === 'chunked') for (const piece of pieces(text)) yield Buffer.from(piece)
  else if (name === 'events') for (const n of [1, 2, 3]) yield Buffer.from(`data: ${n}\n\n`)
  else if (name === 'large')
    for (let sent = 0; sent < LARGE; sent += BLOCK.length) yield new Uint8Array(BLOCK)
  else {
    yield name === 'half-events' ? Buffer.from('data: 1\n\n') : new Uint8Array(500)
    half(headers)
    await wait()
  }
}

const app = new Hono()
app.all('/:name', async (c) => {
  const { name } = c.req.param()
  const headers = c.req.header()
  const bytes = await c.req.arrayBuffer()
  if (name === 'flaky' && isFirst(headers)) return c.text('not now', 503)
  const text = run(headers, bytes.byteLength)
  if (name === 'empty') return c.body('', 200)
  if (name === 'no-content') return c.body(null, 204)
  if (name === 'not-modified') return c.body(null, 304, { ETag: '"1"' })
  if (name === 'chunked' || name === 'events' || name === 'large' || name.startsWith('half-')) {
    const length = LENGTHS[name]
    const lines = { 'Content-Type': TYPES[name] ?? 'application/octet-stream' }
    if (length !== undefined) lines['Content-Length'] = String(length)
    return new Response(ReadableStream.from(body(name, headers, text)), { headers: lines })
  }
  if (name === 'wait') await wait()
  if (name === 'interim') c.env.outgoing.writeEarlyHints({ link: '</style.css>; rel=preload' })
  return c.body(text, 201, { 'Content-Type': 'application/json' })
})
serve({ fetch: app.fetch, port: Number(process.env.PORT), hostname: '127.0.0.1' })
