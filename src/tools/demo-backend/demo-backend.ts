import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type Call, CallError, readCall } from './call.ts'
import { ROUTES, type Run } from './routes.ts'
import { RunLedger } from './run-ledger.ts'

export interface DemoBackendOptions {
  host: string
  port: number
  now: () => number
  /** A line for each run, in printable ASCII, without a line feed. */
  onLine: (line: string) => void
  /** A file for a JSON line a run, written before the response. */
  ledgerFile?: string | undefined
}

export interface DemoBackend {
  port: number
  /** Ends what is in flight and closes the port. */
  close(): Promise<void>
}

/** For the last bytes to reach the clients. */
const FLUSH_MS = 1_000

/** A backend that runs every call and counts it before it responds. `/_count` and `/_outcome` only report. */
export async function startDemoBackend(options: DemoBackendOptions): Promise<DemoBackend> {
  const ledger = new RunLedger(options.ledgerFile)
  const stopping = new AbortController()
  const server = createServer((request, response) => {
    // The work is done also when the caller leaves.
    response.on('error', () => {})
    request.on('error', () => {})
    request.once('end', () => void serve(request, response)).resume()
  })

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const call = readCall(request, response)
      if (call.path.startsWith('/_')) tell(call, ledger)
      else await run(call)
    } catch (error) {
      if (error instanceof CallError) sendJson(response, 400, { error: error.message })
      else response.destroy()
    }
  }

  async function run(call: Call): Promise<void> {
    const { method, path, key, response } = call
    const route = (Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined) ?? ROUTES['/']
    const handle = route?.(call.query)
    if (!ledger.admits(key)) {
      sendJson(response, 503, { error: 'too many keys for a demo; start it again' })
      return
    }
    const at = new Date(options.now()).toISOString()
    const count = ledger.run({ at, method, path }, key)
    options.onLine(line(at, call, count))
    await handle?.({
      call,
      run: count,
      at,
      signal: stopping.signal,
      settle: (outcome) => ledger.answered(key, outcome),
    } satisfies Run)
  }

  server.listen(options.port, options.host)
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('an HTTP server has a port')
  return {
    port: address.port,
    async close() {
      stopping.abort()
      const closed = once(server, 'close')
      server.close()
      server.closeIdleConnections()
      const timer = setTimeout(() => server.closeAllConnections(), FLUSH_MS)
      await closed
      clearTimeout(timer)
      ledger.close()
    },
  }
}

/** `GET /_count?key=`, `GET /_count` and `GET /_outcome/{key}`. */
function tell({ path, query, response }: Call, ledger: RunLedger): void {
  const key = query.get('key')
  if (path === '/_count') {
    sendJson(response, 200, key === null ? ledger.totals() : { key, runs: ledger.runs(key) })
    return
  }
  const [, encoded] = /^\/_outcome\/([^/]+)$/.exec(path) ?? []
  const asked = encoded === undefined ? undefined : decoded(encoded)
  const told = asked === undefined ? undefined : ledger.outcome(asked)
  if (told === undefined) {
    sendJson(response, 404, { error: asked === undefined ? 'there is nothing here' : 'this key never ran' })
  } else if (typeof told === 'string') {
    sendJson(response, 409, {
      error: told === 'running' ? 'this key is still running' : 'its response was too large to keep',
    })
  } else {
    const { status, contentType, body } = told
    response
      .writeHead(200, {
        'Content-Type': contentType,
        'Content-Length': body.length,
        'Idempotency-Status': status,
      })
      .end(body)
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new CallError('the key is not percent-encoded as it should be')
  }
}

function sendJson(response: ServerResponse, status: number, value: object): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`)
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.length }).end(body)
}

/** Marks a second run of a key. */
function line(at: string, { method, path, key }: Call, run: number): string {
  const what = `${at.slice(11, 23)}  ${method.padEnd(7)}${path}`
  const whose = key === undefined ? 'no key' : `key ${key}  run ${run}${run > 1 ? '  AGAIN' : ''}`
  return `${what}  ${whose}`.replace(/[^\x20-\x7e]/g, '?')
}
