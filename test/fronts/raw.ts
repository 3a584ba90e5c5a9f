import { connect } from 'node:net'

export interface RawReply {
  /** 0: the connection ended without a response. */
  status: number
  /** Names in lower case; of several lines the last. */
  headers: Map<string, string>
  body: string
}

export interface RawRequest {
  method?: string
  /** As it is to stand on the wire. */
  target: string
  headers?: Readonly<Record<string, string>>
  body?: string
  /** The address to come from, such as 127.0.0.2. */
  from?: string
  chunked?: boolean
}

/** A proxy that waits for what does not come gives up in time, or this fails. */
const TIMEOUT_MS = 30_000

/** One request over a connection of its own, byte for byte: no client tidies its target up. */
export async function raw(port: number, request: RawRequest): Promise<RawReply> {
  const { method = 'GET', target, headers = {}, body = '', from, chunked = false } = request
  const framing = chunked
    ? ['Transfer-Encoding: chunked']
    : method === 'GET'
      ? []
      : [`Content-Length: ${Buffer.byteLength(body)}`]
  const lines = [
    `${method} ${target} HTTP/1.1`,
    ...['Host: shop.example', 'Connection: close', ...framing],
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  const sent = chunked ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body
  return await new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', ...(from === undefined ? {} : { localAddress: from }) })
    let text = ''
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`no end of ${method} ${target} within ${TIMEOUT_MS} ms: ${text.slice(0, 200)}`))
    }, TIMEOUT_MS)
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
    })
    socket.on('error', () => {})
    socket.once('close', () => {
      clearTimeout(timer)
      resolve(parse(text))
    })
    socket.write(`${lines.join('\r\n')}\r\n\r\n${sent}`)
  })
}

function parse(text: string): RawReply {
  const rest = text.replace(/^(?:HTTP\/1\.1 1\d\d [\s\S]*?\r\n\r\n)+/, '')
  const end = rest.indexOf('\r\n\r\n')
  const [start = '', ...lines] = rest.slice(0, Math.max(end, 0)).split('\r\n')
  const headers = new Map(
    lines.map((line): [string, string] => {
      const at = line.indexOf(':')
      return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]
    }),
  )
  const raw = end === -1 ? '' : rest.slice(end + 4)
  const body = headers.get('transfer-encoding') === 'chunked' ? unchunked(raw) : raw
  return { status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(start)?.[1] ?? 0), headers, body }
}

function unchunked(text: string): string {
  let body = ''
  for (let at = 0; ; ) {
    const line = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, line), 16)
    if (line === -1 || !(size > 0)) return body
    body += text.slice(line + 2, line + 2 + size)
    at = line + 2 + size + 2
  }
}
