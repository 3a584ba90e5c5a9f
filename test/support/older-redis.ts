import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { TestContext } from 'node:test'

/** The Redis of `url` as Redis 6.0 would call itself. Returns the URL of a relay in front of it. */
export async function asRedis60(t: TestContext, url: string): Promise<string> {
  // As many bytes as before: the length of a reply goes before it. A Valkey has its own version besides.
  return await relay(t, url, (text) =>
    text.replace(/(?<=redis_version:)\d\.\d/, '6.0').replace('valkey_version', 'hidden_version'),
  )
}

/** The Redis of `url` with what it refuses inside a script in the form that Redis 6.2 and KeyDB 6.3 give it. */
export async function withRefusalsOfRedis62(t: TestContext, url: string): Promise<string> {
  const place = `ERR Error running script (call to f_${'0'.repeat(40)}): @user_script:35: @user_script: 35: `
  return await relay(t, url, (text) =>
    text.replace(/^-(?=(READONLY|NOREPLICAS|OOM|MISCONF) )/, (sign) => `-${place}${sign}`),
  )
}

/** A relay in front of the real server that changes what comes back. */
async function relay(t: TestContext, url: string, change: (text: string) => string): Promise<string> {
  const { hostname, port } = new URL(url)
  const relaying = createServer((client) => {
    const server = connect(Number(port), hostname)
    client.pipe(server)
    server.on('data', (chunk) => client.write(change(chunk.toString('latin1')), 'latin1'))
    const end = () => {
      client.destroy()
      server.destroy()
    }
    for (const socket of [client, server]) socket.on('error', end).on('close', end)
  }).listen(0, '127.0.0.1')
  await once(relaying, 'listening')
  t.after(() => relaying.close())
  const address = relaying.address()
  return `redis://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`
}
