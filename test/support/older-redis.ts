import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { TestContext } from 'node:test'

/**
 * The Redis of `url` as Redis 6.0 would call itself: a relay in front of the real server that changes the version in what
 * comes back. Returns the URL of the relay.
 */
export async function asRedis60(t: TestContext, url: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const relay = createServer((client) => {
    const server = connect(Number(port), hostname)
    client.pipe(server)
    // As many bytes as before: the length of a reply goes before it.
    server.on('data', (chunk) =>
      client.write(chunk.toString('latin1').replace(/(?<=redis_version:)\d\.\d/, '6.0'), 'latin1'),
    )
    const end = () => {
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) socket.on('error', end).on('close', end)
  }).listen(0, '127.0.0.1')
  await once(relay, 'listening')
  t.after(() => relay.close())
  const address = relay.address()
  return `redis://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}
