import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { load } from '../bench/load.ts'
import { KEYLESS_REQUEST } from '../bench/requests.ts'

async function serve(t: TestContext, listener: RequestListener): Promise<number> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('it listens on TCP')
  return address.port
}

/** `count` requests and no more. */
function supply(count: number): () => Buffer | undefined {
  return () => (count-- > 0 ? KEYLESS_REQUEST : undefined)
}

test('each connection has one request in flight, and every response is counted', async (t) => {
  let inFlight = 0
  let most = 0
  let seen = 0
  const port = await serve(t, (_req, res) => {
    seen++
    most = Math.max(most, ++inFlight)
    setTimeout(() => {
      inFlight--
      res.end('ok')
    }, 2)
  })
  const result = await load({ port, connections: 4, durationMs: 10_000, next: supply(40), expected: 200 })
  assert.equal(seen, 40)
  assert.equal(result.responses, 40)
  assert.equal(most, 4)
  assert.equal(result.unexpected.size, 0)
  assert.ok((result.latencies[0] ?? 0) >= 1, `${result.latencies[0]} ms`)
})

test('responses with another status are told', async (t) => {
  let seen = 0
  const port = await serve(t, (_req, res) => {
    res.statusCode = ++seen % 4 === 0 ? 503 : 201
    res.end()
  })
  const result = await load({ port, connections: 2, durationMs: 10_000, next: supply(20), expected: 201 })
  assert.deepEqual([...result.unexpected], [[503, 5]])
})

test('it ends after its time, and waits for what is in flight', async (t) => {
  const port = await serve(t, (_req, res) => void sleep(30).then(() => res.end()))
  const result = await load({
    port,
    connections: 3,
    durationMs: 50,
    next: () => KEYLESS_REQUEST,
    expected: 200,
  })
  assert.equal(result.unexpected.size, 0)
  // Those in the time, and one more on each connection.
  assert.equal(result.responses, result.latencies.length + 3)
})

test('an open loop keeps its rate, and counts the wait of what was due', async (t) => {
  const port = await serve(t, (_req, res) => void sleep(100).then(() => res.end()))
  const next = () => KEYLESS_REQUEST
  const plan = { port, connections: 1, durationMs: 1_000, next, expected: 200, ratePerS: 20 }
  // One is due each 50 ms, and the connection responds each 100 ms at best: each waits 50 ms longer than the one before.
  const { latencies } = await load(plan)
  assert.ok(Math.max(...latencies) > latencies.length * 45, latencies.join(' '))
  const wide = await load({ ...plan, connections: 8, durationMs: 500 })
  assert.ok(wide.responses <= 11, `${wide.responses} responses`)
})

test('a connection that is lost ends the load with an error', async (t) => {
  const port = await serve(t, (req) => void req.socket.destroy())
  await assert.rejects(
    load({ port, connections: 2, durationMs: 1_000, next: () => KEYLESS_REQUEST, expected: 200 }),
    /closed a connection|ECONNRESET/,
  )
})
