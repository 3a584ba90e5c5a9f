import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { createServer, listen } from '../../internal/http/server.ts'
import { until } from '../support/until.ts'

const BODY_BYTES = 1_000_000
const PIECE = Buffer.alloc(BODY_BYTES / 10, 'x')

/** A connection whose complete response was read before any of the body was sent. */
async function refused(t: TestContext, head: string, listener: RequestListener) {
  const server = createServer(listener)
  const port = await listen(server, '127.0.0.1', 0)
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.after(() => {
    socket.destroy()
    server.close()
  })
  let response = ''
  socket.setEncoding('latin1').on('data', (text) => {
    response += text
  })
  socket.write(`${head}\r\nHost: a\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`)
  await once(socket, 'end')
  assert.match(response, /^HTTP\/1.1 413 /)
  return { socket, server }
}

const refuse: RequestListener = (_, res) => void res.writeHead(413).end()

for (const head of [
  'POST / HTTP/1.1\r\nConnection: close',
  'POST / HTTP/1.1\r\nExpect: 100-continue',
  'POST / HTTP/1.0',
]) {
  test(`the rest of a body is read after the last response: ${JSON.stringify(head)}`, async (t) => {
    const { socket } = await refused(t, head, refuse)
    const closed = once(socket, 'close')
    for (let sent = 0; sent < BODY_BYTES; sent += PIECE.length) {
      await new Promise((resolve, reject) =>
        socket.write(PIECE, (error) => (error ? reject(error) : resolve(undefined))),
      )
    }
    socket.end()
    assert.deepEqual(await closed, [false])
  })
}

test('a request after such a body is not handled', async (t) => {
  let handled = 0
  const head = 'POST / HTTP/1.1\r\nConnection: close'
  const { socket } = await refused(t, head, (req, res) => {
    handled++
    refuse(req, res)
  })
  for (let sent = 0; sent < BODY_BYTES; sent += PIECE.length) socket.write(PIECE)
  socket.end('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(socket, 'close')
  assert.equal(handled, 1)
})

test('a connection whose client neither sends its body nor ends is closed after LINGER_MS', async (t) => {
  const { server } = await refused(t, 'POST / HTTP/1.1\r\nConnection: close', refuse)
  const connections = promisify(server.getConnections.bind(server))
  await until('the connection to be closed', async () => (await connections()) === 0)
})
