import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { createDatabase } from '../support/servers.ts'
import { type Settings, startService } from '../support/service.ts'
import { tcpServer } from '../support/tcp-server.ts'

/** A text of each statement that a start sends after the first response of the database, in order. */
const STATEMENTS = ['schema_migrations', 'CREATE TABLE', 'clients_version', 'clock_timestamp()) * 1000 AS ms']

/** A URL of the same database. The first connection that sends one of these texts is closed, once for each text. */
async function cutBy(
  t: TestContext,
  url: string,
  texts: readonly string[],
): Promise<{ url: string; left: string[] }> {
  const { port, hostname } = new URL(url)
  const left = [...texts]
  const { server, close } = tcpServer((socket) => {
    const to = connect(Number(port), hostname)
    to.on('error', () => {})
    socket.on('data', (bytes) => {
      const at = left.findIndex((text) => bytes.includes(text))
      if (at < 0) return void to.write(bytes)
      left.splice(at, 1)
      socket.destroy()
    })
    to.on('data', (bytes) => void socket.write(bytes))
    socket.on('close', () => to.destroy())
    to.on('close', () => socket.destroy())
  })
  t.after(close)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address: AddressInfo | string | null = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const path = new URL(url)
  path.hostname = '127.0.0.1'
  path.port = String(address.port)
  return { url: path.href, left }
}

for (const args of [['serve'], ['proxy', '--target', 'http://127.0.0.1:9', '--verify']]) {
  test(`${args[0]} waits for a database that becomes unreachable during the start, and does not exit`, async (t) => {
    const { url, drop } = await createDatabase()
    t.after(drop)
    const path = await cutBy(t, url, args[0] === 'serve' ? STATEMENTS : STATEMENTS.slice(0, 3))
    const settings: Settings = {
      DATABASE_URL: path.url,
      HMAC_SECRET: 'a secret that is long enough for this',
    }
    const service = await startService(settings, args)
    t.after(() => service.stop())
    assert.deepEqual(path.left, [], 'each of them was cut')
    assert.match(service.log(), /waiting: the database went away: .*[A-Z]/)
  })
}
