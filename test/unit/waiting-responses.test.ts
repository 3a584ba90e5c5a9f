import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import { createServer, listen } from '../../internal/http/server.ts'
import { until } from '../support/until.ts'

const get = (target: string) => `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`

test('each response is closed once when its connection ends, also one that waits behind another', async (t) => {
  const begun: string[] = []
  const closed: string[] = []
  const server = createServer((req, res) => {
    const target = String(req.url)
    begun.push(target)
    res.once('error', () => {}).on('close', () => closed.push(`${target} ${res.destroyed}`))
    // The first waits for ever, so that the connection cannot go on with the others.
    if (target !== '/1') res.end(target)
  })
  const port = await listen(server, '127.0.0.1', 0)
  t.after(() => server.close())
  const socket = connect(port, '127.0.0.1').on('error', () => {})
  socket.write(['/1', '/2', '/3', '/4'].map(get).join(''))
  await until('all have begun', () => begun.length === 4)
  assert.deepEqual(closed, [])
  socket.destroy()
  await until('all are closed', () => closed.length === 4)
  // Whatever would come twice comes now.
  await new Promise((resolve) => server.close(resolve))
  assert.deepEqual(closed.sort(), ['/1 true', '/2 true', '/3 true', '/4 true'])
})

test('a response that waited and had its turn is closed once', async (t) => {
  const closed: string[] = []
  const server = createServer((req, res) => {
    res.on('close', () => closed.push(String(req.url)))
    setTimeout(() => res.end('x'), req.url === '/1' ? 50 : 0)
  })
  const port = await listen(server, '127.0.0.1', 0)
  t.after(() => server.close())
  const socket = connect(port, '127.0.0.1')
  socket.write(get('/1') + get('/2'))
  await until('both are closed', () => closed.length === 2)
  socket.destroy()
  await new Promise((resolve) => server.close(resolve))
  assert.deepEqual(closed, ['/1', '/2'])
})
