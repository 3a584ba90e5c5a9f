import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { TestContext } from 'node:test'

/** What the real PostgreSQL says of its version, in words and as a number. */
const POSTGRES_VERSION = /(?<![\d.])\d\d(?=\.\d+ ?\()|(?<!\d)\d\d(?=00\d\d(?!\d))/g

/** The database of `url` as PostgreSQL 13 would call itself. */
export function asPostgres13(t: TestContext, url: string): Promise<string> {
  return relayOf(t, url, (text) => text.replace(POSTGRES_VERSION, '13'))
}

/** The Redis of `url` as Redis 6.0 would call itself. */
export function asRedis60(t: TestContext, url: string): Promise<string> {
  // As many bytes as before: the length of a reply goes before it. A Valkey has its own version besides.
  return relayOf(t, url, (text) =>
    text.replace(/(?<=redis_version:)\d\.\d/, '6.0').replace('valkey_version', 'hidden_version'),
  )
}

/** The Redis of `url` with what it refuses inside a script in the form that Redis 6.2 and KeyDB 6.3 give it. */
export function withRefusalsOfRedis62(t: TestContext, url: string): Promise<string> {
  const place = `ERR Error running script (call to f_${'0'.repeat(40)}): @user_script:35: @user_script: 35: `
  return relayOf(t, url, (text) =>
    text.replace(/^-(?=(READONLY|NOREPLICAS|OOM|MISCONF) )/, (sign) => `-${place}${sign}`),
  )
}

/** The URL of a relay in front of the real server that changes what comes back, until the test ends. */
async function relayOf(t: TestContext, url: string, change: (text: string) => string): Promise<string> {
  const { hostname, port } = new URL(url)
  const relay = createServer((client) => {
    const server = connect(Number(port), hostname)
    client.pipe(server)
    server.on('data', (chunk) => client.write(change(chunk.toString('latin1')), 'latin1'))
    const end = () => {
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) socket.on('error', end).on('close', end)
  }).listen(0, '127.0.0.1')
  await once(relay, 'listening')
  t.after(() => relay.close())
  const address = relay.address()
  const own = new URL(url)
  own.host = `127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
  return own.href
}
