import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { TestContext } from 'node:test'

/** What the real server says of its version, in words and as a number. */
const VERSION = /(?<![\d.])\d\d(?=\.\d+ ?\()|(?<!\d)\d\d(?=00\d\d(?!\d))/g

/**
 * The database of `url` as PostgreSQL 13 would call itself: a relay in front of the real server that changes the major
 * version in what comes back. Returns the URL of the relay.
 */
export async function asPostgres13(t: TestContext, url: string): Promise<string> {
  const { hostname, port, pathname } = new URL(url)
  const relay = createServer((client) => {
    const server = connect(Number(port), hostname)
    client.pipe(server)
    server.on('data', (chunk) => client.write(chunk.toString('latin1').replace(VERSION, '13'), 'latin1'))
    const end = () => {
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) socket.on('error', end).on('close', end)
  }).listen(0, '127.0.0.1')
  await once(relay, 'listening')
  t.after(() => relay.close())
  const address = relay.address()
  return `postgres://postgres@127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}${pathname}`
}
