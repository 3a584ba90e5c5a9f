import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Server, Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { redisUrl } from './servers.ts'
import { type Service, type Settings, startService } from './service.ts'
import { tcpServer } from './tcp-server.ts'

/** A request as it reached the backend. */
export interface Reached {
  method: string
  target: string
  /** Every line, in order: name and value by turns. */
  lines: string[]
  /** The lines of one header; `name` in any case. */
  values(name: string): string[]
  body: string
}

export interface TestBackend {
  url: string
  reached: Reached[]
  /** How many requests came with this key. */
  runs(key: string): number
}

type Treat = (res: ServerResponse, request: Reached, req: IncomingMessage) => void

/** A backend on loopback, until the test, or the suite, has ended. */
export async function startBackend(t: Pick<TestContext, 'after'>, treat: Treat): Promise<TestBackend> {
  const reached: Reached[] = []
  const server = createServer((req, res) => {
    void buffer(req).then(
      (body) => {
        const request = asReached(req, body.toString())
        reached.push(request)
        treat(res, request, req)
      },
      () => res.destroy(),
    )
  })
  t.after(() => server.closeAllConnections())
  const url = await listening(t, server)
  return {
    url,
    reached,
    runs: (key) => reached.filter((one) => one.values('idempotency-key').includes(key)).length,
  }
}

/** A backend of bytes: `response` writes what it likes once a request's headers are there. */
export async function startRawBackend(
  t: Pick<TestContext, 'after'>,
  response: (socket: Socket, count: number) => void,
): Promise<{ url: string; count: () => number }> {
  let count = 0
  const { server, close } = tcpServer((socket) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        text = text.slice(end + 4)
        response(socket, ++count)
      }
    })
  })
  t.after(close)
  return { url: await listening(t, server), count: () => count }
}

async function listening(t: Pick<TestContext, 'after'>, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => void server.close())
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('it listens on TCP')
  return `http://127.0.0.1:${address.port}`
}

function asReached(req: IncomingMessage, body: string): Reached {
  const lines = req.rawHeaders
  const values = (name: string) =>
    lines.filter((_, i) => i % 2 === 1 && lines[i - 1]?.toLowerCase() === name.toLowerCase())
  return { method: req.method ?? '', target: req.url ?? '', lines, values, body }
}

/** A sidecar with its keys in the shared Redis, apart from those of every other test. */
export async function startProxy(
  t: Pick<TestContext, 'after'>,
  target: string,
  args: string[] = [],
  settings: Settings = {},
): Promise<Service> {
  const name = `test-${randomBytes(6).toString('hex')}`
  const given = args.includes('--name') ? args : ['--name', name, ...args]
  const proxy = await startService({ REDIS_URL: redisUrl, ...settings }, [
    'proxy',
    '--target',
    target,
    ...given,
  ])
  t.after(() => proxy.kill())
  return proxy
}
