import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:net'
import { freePort } from '../support/servers.ts'
import { startService } from '../support/service.ts'
import { tcpServer } from '../support/tcp-server.ts'

/** What stands behind the proxies. */
export interface Upstreams {
  /** The service, with the secret of demo mode; it trusts one proxy. */
  service: number
  /** The sidecar with --verify before a backend that tells what it got; it trusts one proxy. */
  sidecar: number
  /** A server that ends the connection of each request to /cut without a response, and says 503 to /busy. */
  cutting: Cutting
  /** Nothing listens there. */
  nothing: number
  close(): Promise<void>
}

export interface Cutting {
  port: number
  /** How often the request with this id came. */
  count(id: string): number
}

/** What the backend behind the sidecar got. */
export interface Echo {
  target: string
  forwardedFor: string
  forwardedHost: string
}

const BUSY =
  '{"type":"/problems/store_unavailable","title":"Service unavailable","status":503,"detail":"x","code":"store_unavailable"}'

export async function openUpstreams(redisUrl: string): Promise<Upstreams> {
  const echo = createServer((req, res) => {
    const { headers } = req
    const told: Echo = {
      target: req.url ?? '',
      forwardedFor: String(headers['x-forwarded-for']),
      forwardedHost: String(headers['x-forwarded-host']),
    }
    req
      .resume()
      .once('end', () => res.setHeader('Content-Type', 'application/json').end(JSON.stringify(told)))
  })
  const echoPort = await portOf(echo)
  const cutting = openCutting()
  const settings = { REDIS_URL: redisUrl, TRUST_PROXY: '1', LOG_LEVEL: 'error', SHUTDOWN_GRACE: '1s' }
  const [service, sidecar, cuttingPort, nothing] = await Promise.all([
    startService({ ...settings, RATE_LIMITS: 'none' }),
    startService(settings, ['proxy', '--verify', '--target', `http://127.0.0.1:${echoPort}`]),
    portOf(cutting.server),
    freePort(),
  ])
  return {
    service: service.port,
    sidecar: sidecar.port,
    cutting: { port: cuttingPort, count: cutting.count },
    nothing,
    async close() {
      echo.close().closeAllConnections()
      cutting.close()
      await Promise.all([service.kill(), sidecar.kill()])
    },
  }
}

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('it listens on TCP')
  return address.port
}

/** Requests have an id in the query; `/ok` gets a response, so that the connection is kept. */
function openCutting() {
  const counts = new Map<string, number>()
  const { server, close } = tcpServer((socket) => {
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      const [, path = '', id = '', head = ''] =
        /^\w+ (?:http:\/\/[^/]+)?(\/\w*)\?id=(\w+) ([\s\S]*?)\r\n\r\n/.exec(text) ?? []
      if (head === '') return
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
      if (text.length - text.indexOf('\r\n\r\n') - 4 < length) return
      text = ''
      counts.set(id, (counts.get(id) ?? 0) + 1)
      if (path === '/cut') socket.destroy()
      else if (path === '/busy')
        socket.write(
          `HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 1\r\nContent-Length: ${BUSY.length}\r\n\r\n${BUSY}`,
        )
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
  })
  return { server, close, count: (id: string) => counts.get(id) ?? 0 }
}
