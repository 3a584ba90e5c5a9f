import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { createServer, type TLSSocket } from 'node:tls'
import { createAuthority } from '../support/certificates.ts'
import { newKey, type Reply, send } from '../support/order-client.ts'
import { startProxy } from '../support/proxy.ts'
import type { Service } from '../support/service.ts'

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n'

describe('a backend with https and a certificate of an authority of its own', () => {
  const closing: (() => unknown)[] = []
  const t = { after: (close: () => unknown) => void closing.push(close) }
  const authority = createAuthority('Test CA')
  const counts = new Map<string, number>()
  const names: (string | false | null)[] = []
  let port = 0
  let trusting: Service

  before(async () => {
    const { cert, key } = authority.issue('backend', 'localhost')
    const options = { cert: readFileSync(cert), key: readFileSync(key) }
    /** The connections below TLS, by the port of the sidecar. */
    const open = new Map<number | undefined, Socket>()
    const server = createServer(options, (socket) => {
      names.push(socket.servername)
      response(socket, open.get(socket.remotePort))
    })
    server.on('connection', (socket) => open.set(socket.remotePort, socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    port = address.port
    closing.push(() => {
      for (const socket of open.values()) socket.destroy()
      server.close()
    })
    trusting = await startProxy(t, `https://localhost:${port}`, [], { NODE_EXTRA_CA_CERTS: authority.ca })
  })
  after(() => Promise.all(closing.map((close) => close())))

  /** After half a response the connection ends by the path: in good order, without a word of TLS, or by a reset. */
  function response(socket: TLSSocket, connection: Socket | undefined): void {
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      const head = chunk.toString('latin1')
      const key = /^idempotency-key: (.*)\r$/im.exec(head)?.[1] ?? ''
      counts.set(key, (counts.get(key) ?? 0) + 1)
      if (head.startsWith('POST /charge ')) {
        socket.write(`${HEAD}Content-Length: 4\r\n\r\ndone`)
        return
      }
      const [, framing, end] = /^POST \/(\w+)-(\w+)/.exec(head) ?? []
      const line = framing === 'length' ? 'Content-Length: 1000' : 'Connection: close'
      socket.write(`${HEAD}${line}\r\n\r\nthe first half`, () => {
        if (end === 'end') socket.end()
        else if (end === 'cut') connection?.destroy()
        // What was sent must have been read: a reset may overtake it.
        else setTimeout(() => connection?.resetAndDestroy(), 200)
      })
    })
  }

  const post = (service: Service, path: string, key: string): Promise<Reply> =>
    send(`${service.url}/${path}`, { method: 'POST', body: 'x', headers: { 'Idempotency-Key': key } })
  const say = ({ status, code, body }: Reply) => (code === '' ? `${status} ${body}` : `${status} ${code}`)

  test('with NODE_EXTRA_CA_CERTS it is trusted by its name, and a retry gets the stored response', async () => {
    const key = newKey()
    assert.equal(say(await post(trusting, 'charge', key)), '200 done')
    const again = await post(trusting, 'charge', key)
    assert.equal(`${say(again)} ${again.headers['idempotent-replayed']}`, '200 done true')
    assert.equal(counts.get(key), 1)
    assert.ok(names.includes('localhost'), 'the name of the target is the server name of TLS')
  })

  test('without it, and under another name, nothing is sent and the key is free', async (t) => {
    const ca = { NODE_EXTRA_CA_CERTS: authority.ca }
    const untrusting = await startProxy(t, `https://localhost:${port}`)
    const misnamed = await startProxy(t, `https://127.0.0.1:${port}`, [], ca)
    for (const service of [untrusting, misnamed]) {
      const key = newKey()
      for (const _ of [1, 2]) assert.equal(say(await post(service, 'charge', key)), '502 backend_unreachable')
      assert.equal(counts.get(key), undefined)
    }
  })

  test('a response that is cut leaves the outcome unknown, and is not sent again', async () => {
    for (const [path, first] of [
      ['length-end', '409 outcome_unknown'],
      ['length-cut', '409 outcome_unknown'],
      ['length-reset', '409 outcome_unknown'],
      ['close-reset', '409 outcome_unknown'],
      // Node.js does not tell whether TLS ended in good order.
      ['close-end', '200 the first half'],
      ['close-cut', '200 the first half'],
    ] as const) {
      const key = newKey()
      for (const _ of [1, 2]) assert.equal(say(await post(trusting, path, key)), first, path)
      assert.equal(counts.get(key), 1, path)
    }
  })
})
