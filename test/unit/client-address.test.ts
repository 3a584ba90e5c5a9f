import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { createServer, listen } from '../../internal/http/server.ts'

test('the address of a client that has left is still known', async (t) => {
  let address: string | undefined
  const left = new Promise<void>((resolve) => {
    const server = createServer((req) => {
      // As a stage sees it that has waited for something: the limits of an address, and X-Forwarded-For of the sidecar.
      req.socket.once('close', () => {
        address = req.socket.remoteAddress
        resolve()
      })
    })
    t.after(() => server.close())
    void listen(server, '127.0.0.1', 0).then(async (port) => {
      const client = connect(port, '127.0.0.1')
      await once(client, 'connect')
      client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
      setTimeout(() => client.resetAndDestroy(), 50)
    })
  })
  await left
  assert.equal(address, '127.0.0.1')
})
