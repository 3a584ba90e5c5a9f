import { once } from 'node:events'
import { createServer } from 'node:net'
import type { TestContext } from 'node:test'

/**
 * A server that returns PONG, as a proxy in front of Redis does, and to every other command `reply`, or closes the connection
 * without one. Returns its URL.
 */
export async function startRedisProxy(t: TestContext, reply?: string): Promise<string> {
  const server = createServer((client) => {
    client.on('error', () => client.destroy())
    client.on('data', (chunk) => {
      // A name and its arguments in one chunk: the client sends nothing else before it has the reply.
      if (/^\*1\r\n\$4\r\nping\r\n$/i.test(chunk.toString('latin1'))) client.write('+PONG\r\n')
      else if (reply === undefined) client.destroy()
      else client.write(reply.repeat(chunk.toString('latin1').match(/^\*/gm)?.length ?? 1))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  return `redis://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}
