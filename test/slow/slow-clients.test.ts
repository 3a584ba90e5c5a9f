import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertProblem, exchange, one } from '../support/raw-http.ts'
import { newKey, signedOrder } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const world = await startServiceOnDatabase({ RATE_LIMITS: 'none' })
const { port } = world
after(() => world.close())

/** The keys of the requests that were to be accepted: at the end nothing else may be in the table. */
const accepted = new Set<string>()

describe('a client that does not go on', { concurrency: true }, () => {
  const drip = (socket: Socket, bytes: string) => {
    let at = 0
    const timer = setInterval(() => socket.write(bytes.charAt(at++ % bytes.length)), 1_000)
    socket.once('close', () => clearInterval(timer))
  }

  const headersOf = (framing: 'length' | 'chunked') => {
    const bytes = signedOrder({ framing })
    return bytes.subarray(0, bytes.indexOf('\r\n\r\n') + 4)
  }

  test('one byte of the headers a second: 408 after 10 s', async () => {
    const { responses, ms } = await exchange(port, 'POST /orders HTTP/1.1\r\nX-A: ', {
      write: (socket) => drip(socket, 'a'),
      until: 'close',
      timeoutMs: 14_000,
    })
    assert.equal(responses.length, 1)
    if (responses[0]) assertProblem(responses[0], 408, 'request_timeout')
    assert.ok(ms > 9_000, `after ${ms} ms`)
  })

  for (const [name, framing, bytes] of [
    ['with its length', 'length', 'a'],
    ['in chunks', 'chunked', '1\r\na\r\n'],
  ] as const) {
    test(`one byte of the body a second, ${name}: 408 after 15 s`, async () => {
      const { responses, ms } = await exchange(port, headersOf(framing), {
        write: (socket) => drip(socket, bytes),
        until: 'close',
        timeoutMs: 20_000,
      })
      assert.equal(responses.length, 1)
      if (responses[0]) assertProblem(responses[0], 408, 'request_timeout')
      assert.ok(ms > 14_000, `after ${ms} ms`)
    })
  }

  test('300 connections on which nothing comes keep nobody out and end after 10 s', async () => {
    const sockets = Array.from({ length: 300 }, () =>
      connect(port, '127.0.0.1')
        .resume()
        .on('error', () => {}),
    )
    let open = sockets.length
    for (const socket of sockets) socket.once('close', () => open--)
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    const key = newKey()
    accepted.add(key)
    const { responses, ms } = await exchange(port, signedOrder({ key }))
    assert.equal(responses[0]?.status, 201)
    assert.ok(ms < 1_000, `an order took ${ms} ms beside them`)
    assert.equal(open, 300)
    await sleep(13_000)
    assert.equal(open, 0)
  })

  test('half a body, then the end of the connection: nothing is done, and the key is free', async () => {
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      const key = newKey()
      const socket = connect(port, '127.0.0.1').resume()
      socket.write(signedOrder({ key }).subarray(0, -10))
      await sleep(100)
      socket[leave]()
      await once(socket, 'close')
      accepted.add(key)
      assert.equal((await one(port, signedOrder({ key }))).status, 201)
    }
  })

  test('a connection whose client never hangs up after a refusal is ended', async () => {
    for (const bytes of ['GARBAGE\r\n\r\n', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n']) {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
        .resume()
        .on('error', () => {})
      socket.write(bytes)
      await once(socket, 'end')
      await sleep(2_500)
      // The other side is gone: what is sent now is reset.
      const gone = new Promise((resolve) => socket.once('close', () => resolve(true)))
      const timer = setInterval(() => socket.write('a'), 50)
      const closed = await Promise.race([gone, sleep(1_000, false)])
      clearInterval(timer)
      socket.destroy()
      assert.ok(closed, 'the connection is still there')
    }
  })
})

test('after all of it the service is alive, and no order is there but those that were right', async () => {
  assert.equal((await one(port, 'GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n')).status, 200)
  const keys = (await world.orders()).map(({ idempotency_key }) => idempotency_key)
  assert.deepEqual(keys.sort(), [...accepted].sort())
})
