import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

type Treat = (res: ServerResponse, from: string) => void

/** Writes past Node's own rules of HTTP. `end`: and hangs up. */
function raw(text: (from: string) => string, how: 'stay' | 'end' | 'reset' = 'stay'): Treat {
  return ({ socket }, from) => {
    socket?.write(text(from), 'latin1', () => {
      if (how === 'end') socket.end()
      // Behind what was written: a reset throws away what the other side has not read yet.
      if (how === 'reset') setTimeout(() => socket.resetAndDestroy(), 20)
    })
  }
}

const head = (from: string, ...lines: string[]) =>
  ['HTTP/1.1 200 OK', `X-Backend: ${from}`, ...lines, '', ''].join('\r\n')

function response(status: number, body = 'ok', headers: Record<string, string> = {}): Treat {
  return (res, from) => void res.writeHead(status, { 'X-Backend': from, ...headers }).end(body)
}

/** What a backend may respond, by the name that the request asks for with X-Answer. */
export const SOUND_RESPONSES = {
  ok: response(200, '{"ok":true}', { 'Content-Type': 'application/json' }),
  created: response(201, 'made', { Location: '/made/1' }),
  empty: response(204, ''),
  redirect: response(302, '', { Location: 'http://127.0.0.1:1/elsewhere' }),
  'not-found': response(404, 'not here'),
  unprocessable: response(422, 'no'),
  'too-many': response(429, 'wait', { 'Retry-After': '1' }),
  failed: response(500, 'an error of its own'),
  none: response(503, 'not now', { 'Idempotency-Outcome': 'none' }),
  large: response(200, 'x'.repeat(1_500_000)),
  stream: response(200, 'data: a\n\n', { 'Content-Type': 'text/event-stream' }),
  private: response(200, 'ok', { Connection: 'x-private', 'X-Private': 'no' }),
  cookies: (res, from) =>
    void res.writeHead(200, ['X-Backend', from, 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']).end(),
  chunked: (res, from) => {
    res.writeHead(200, { 'X-Backend': from }).write('one')
    res.end('two')
  },
  hints: (res) => res.writeEarlyHints({ link: '</a>; rel=preload' }, () => res.end('after 103')),
  'no-length': raw((from) => `${head(from, 'Connection: close')}until I hang up`, 'end'),
} satisfies Record<string, Treat>

export const BROKEN_RESPONSES = {
  'two-lengths': raw((from) => `${head(from, 'Content-Length: 2', 'Content-Length: 3')}ok!`),
  'length-and-chunks': raw(
    (from) => `${head(from, 'Content-Length: 2', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
  ),
  'bad-chunks': raw((from) => `${head(from, 'Transfer-Encoding: chunked')}zz\r\n`),
  'chunks-cut': raw((from) => `${head(from, 'Transfer-Encoding: chunked')}2\r\nok\r\n`, 'end'),
  'body-cut': raw((from) => `${head(from, 'Content-Length: 9')}ok`, 'reset'),
  'head-cut': raw(() => 'HTTP/1.1 200 OK\r\nContent-Le', 'end'),
  'no-http': raw(() => 'hello\r\n\r\n'),
  nothing: raw(() => '', 'end'),
  reset: raw(() => '', 'reset'),
  folded: raw((from) => `${head(from, 'X-A: b', ' c: d', 'Content-Length: 2')}ok`),
  injected: raw((from) => `${head(from, 'X-A: b\rX-Poison: 1', 'Content-Length: 2')}ok`),
  'odd-status': raw(() => 'HTTP/1.1 99999 OK\r\n\r\n', 'end'),
  switching: raw(
    () => 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: a\r\nConnection: Upgrade\r\n\r\n',
    'end',
  ),
  'coded-gzip': raw((from) => `${head(from, 'Transfer-Encoding: gzip, chunked')}2\r\nok\r\n0\r\n\r\n`),
  'huge-head': raw((from) => `${head(from, `X-A: ${'a'.repeat(200_000)}`, 'Content-Length: 2')}ok`),
  // The second response belongs to no request.
  twice: raw(
    (from) => `${head(from, 'Content-Length: 2')}ok${head(from, 'X-Poison: 1', 'Content-Length: 2')}ok`,
  ),
  slow: (res, from) => void sleep(3_000).then(() => response(200)(res, from)),
} satisfies Record<string, Treat>

const RESPONSES = new Map<string, Treat>(Object.entries({ ...SOUND_RESPONSES, ...BROKEN_RESPONSES }))
/** After these the key is free, and another request with it may come. */
const FREEING = new Set(['too-many', 'none'])

export interface OddBackend {
  readonly port: number
  readonly requests: number
  /** What the sidecar must not have passed on. */
  faults(): string[]
  close(): void
}

/** Responds as it is asked to; what reaches it is held to what a sidecar may let through. */
export async function startOddBackend(base: string): Promise<OddBackend> {
  const faults: string[] = []
  const seen = new Map<string, string>()
  let requests = 0
  const server = createServer((req, res) => {
    requests++
    // What a mutation has made of it is not said back.
    const [from = 'none'] = /^[\w-]{1,60}$/.exec(String(req.headers['x-case'] ?? '')) ?? []
    const name = String(req.headers['x-answer'] ?? 'ok')
    faults.push(...faultsOf(req, base, port, from))
    const id = keyedId(req)
    if (id !== undefined) {
      if (seen.has(id)) faults.push(`the backend got ${id} twice, from ${seen.get(id)} and ${from}`)
      if (!FREEING.has(name)) seen.set(id, from)
    }
    req.resume().on('error', () => {})
    const treat = RESPONSES.get(name) ?? SOUND_RESPONSES.ok
    req.once('end', () => treat(res, from))
  })
  // The sidecar reads what its clients send: what it writes must be HTTP to every reader.
  server.on('clientError', (error: Error & { code?: string; rawPacket?: Buffer }, socket) => {
    if (error.code?.startsWith('HPE_') === true && error.code !== 'HPE_INVALID_EOF_STATE') {
      faults.push(`the sidecar sent what is no HTTP (${error.code}): ${error.rawPacket?.toString('latin1')}`)
    }
    socket.destroy()
  })
  server.maxHeadersCount = 0
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return {
    port,
    get requests() {
      return requests
    },
    faults: () => faults.splice(0),
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function faultsOf(req: IncomingMessage, base: string, port: number, from: string): string[] {
  const { rawHeaders, url = '', method } = req
  const lines = rawHeaders.flatMap((name, i) =>
    i % 2 === 0 ? [[name.toLowerCase(), rawHeaders[i + 1] ?? '']] : [],
  )
  const values = (wanted: string) => lines.filter(([name]) => name === wanted).map(([, value]) => value)
  const wrong = (what: string) =>
    `${what} reached the backend: ${method} ${url} ${JSON.stringify(rawHeaders)}`
  const faults: string[] = []
  if (!url.startsWith(base)) faults.push(wrong('a target outside its path'))
  if (url.includes('hidden-request')) faults.push(wrong('a request hidden in the body of another'))
  if (values('host').join() !== `127.0.0.1:${port}`) faults.push(wrong('another Host'))
  if (values('x-forwarded-for').join() !== '127.0.0.1') faults.push(wrong('a forged X-Forwarded-For'))
  if (lines.some(([name]) => name?.includes('_') === true)) faults.push(wrong('a name with an underscore'))
  if (values('content-length').length + values('transfer-encoding').length > 1)
    faults.push(wrong('two framings'))
  for (const name of ['upgrade', 'te', 'trailer', 'expect', 'http2-settings', 'keep-alive', 'forwarded']) {
    if (values(name).length > 0) faults.push(wrong(`the header ${name}`))
  }
  if (from.includes('forged')) faults.push(wrong('what nobody signed'))
  return faults
}

/** What may come once: the same key of the same caller at the same path. */
function keyedId({ method, url = '', headers }: IncomingMessage): string | undefined {
  const key = headers['idempotency-key'] ?? headers['x-idempotency-key']
  if (typeof key !== 'string' || method === 'HEAD') return undefined
  const [path] = url.split('?', 1)
  const [, keyid] = /;keyid="([^"]*)"/.exec(String(headers['signature-input'])) ?? []
  return `${method} ${path} ${keyid ?? headers['x-client-id'] ?? 'default'} ${key.replace(/^"(.*)"$/s, '$1')}`
}
