import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { newKey, send } from '../support/order-client.ts'
import { startProxy, startRawBackend } from '../support/proxy.ts'

test('a backend that serves one request for each connection and does not say so needs --no-keep-alive', async (t) => {
  const served = new WeakSet<Socket>()
  const backend = await startRawBackend(t, (socket) => {
    if (served.has(socket)) return void socket.destroy()
    served.add(socket)
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone')
  })
  const inARow = async (args: string[]) => {
    const proxy = await startProxy(t, backend.url, args)
    const replies: string[] = []
    for (let n = 0; n < 3; n++) {
      const headers = { 'Idempotency-Key': newKey() }
      const { status, code, body } = await send(`${proxy.url}/charge`, { method: 'POST', body: 'x', headers })
      replies.push(code === '' ? `${status} ${body}` : `${status} ${code}`)
    }
    return replies
  }
  assert.deepEqual(await inARow(['--no-keep-alive']), ['200 done', '200 done', '200 done'])
  assert.ok((await inARow([])).includes('409 outcome_unknown'))
})
