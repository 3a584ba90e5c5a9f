/*
 * node forwarder.js backend|undici|http-proxy [TARGET]: what the sidecar is measured against, each the least that does
 * the work, and the backend behind all of them.
 */
import { Agent, createServer as createHttpServer } from 'node:http'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { Pool } from 'undici'

const [kind = '', target = ''] = process.argv.slice(2)
const RESPONSE = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n{"message":"hello, world!"}`

/** @type {Record<string, (() => import('node:net').Server) | undefined>} */
const servers = {
  /** Responds to every request with the same bytes, as fast as a socket can. */
  backend: () =>
    createServer((socket) => {
      socket.setNoDelay(true).on('error', () => {})
      socket.on('data', (chunk) => void (chunk.includes('\r\n\r\n') && socket.write(RESPONSE)))
    }),
  undici() {
    const pool = new Pool(target, { pipelining: 1 })
    return createHttpServer((req, res) => {
      const body = req.headers['content-length'] === undefined ? null : req
      const headers = { ...req.headers, connection: undefined, host: undefined }
      pool.request({ path: req.url ?? '/', method: req.method ?? 'GET', headers, body }).then(
        (response) => {
          res.writeHead(response.statusCode, response.headers)
          response.body.pipe(res)
        },
        () => res.writeHead(502).end(),
      )
    })
  },
  'http-proxy'() {
    // It has no types of its own.
    const { createProxyServer } = createRequire(import.meta.url)('http-proxy')
    const proxy = createProxyServer({ target, agent: new Agent({ keepAlive: true }) })
    proxy.on('error', () => {})
    return createHttpServer((req, res) => void proxy.web(req, res))
  },
}

const server = servers[kind]?.()
if (server === undefined) throw new Error(`there is no forwarder ${kind}`)
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : address
  console.log(`${kind} is ready on http://127.0.0.1:${port} `)
})
process.once('SIGTERM', () => process.exit(0))
