import { randomBytes } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { listen } from '../../internal/http/server.ts'

/** What the gateway does with a charge. It is made, unless it says otherwise. */
export type Behaviour =
  | 'answer'
  | 'decline'
  | 'reset'
  | 'stall'
  | 'malformed'
  | 'truncated'
  | 'fail'
  /** Not made, and no response. */
  | 'forget'
  /** Not made, and reset. */
  | 'drop'
  /** Made a while after the client has stopped waiting. */
  | 'late'
  /** Not made: it is refused with this status. */
  | 400
  | 429

export interface CountingGateway {
  readonly url: string
  readonly port: number
  /** How often each key was charged. */
  charges(): ReadonlyMap<string, number>
  /** Requests for charges that arrived. */
  arrived(): number
  /** Charges are made at once, and the response comes after that. */
  hold: Promise<void>
  /** Of lookups. */
  finds: 'answer' | 'fail'
  close(): Promise<void>
}

export interface CountingGatewayOptions {
  port?: number
  /** The ledger, one charge a line; it outlives the process. */
  file?: string
  /** Told the body. */
  behave: (body: string) => Behaviour
  lateMs?: number
}

/** A payment gateway that does NOT deduplicate: a charge that is sent twice is made twice, and counted. */
export async function countingGateway(options: CountingGatewayOptions): Promise<CountingGateway> {
  const { file, behave, lateMs = 1_000 } = options
  const ledger: { key: string; id: string; status: string }[] = []
  if (file !== undefined && existsSync(file)) {
    for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
      const [key = '', id = '', status = ''] = line.split(' ')
      ledger.push({ key, id, status })
    }
  }
  let arrived = 0
  const make = (key: string, status: string) => {
    const charge = { key, id: `ch_${randomBytes(8).toString('hex')}`, status }
    if (file !== undefined) appendFileSync(file, `${key} ${charge.id} ${status}\n`)
    ledger.push(charge)
    return JSON.stringify({ id: charge.id, status })
  }

  const charge = async (key: string, body: string, response: ServerResponse) => {
    arrived++
    const behaviour = behave(body)
    if (typeof behaviour === 'number') {
      response.writeHead(behaviour, { 'Retry-After': '2' }).end()
      return
    }
    if (behaviour === 'forget') return
    if (behaviour === 'drop') return void response.destroy()
    if (behaviour === 'late') await sleep(lateMs)
    const text = make(key, behaviour === 'decline' ? 'declined' : 'completed')
    await gateway.hold
    switch (behaviour) {
      case 'answer':
      case 'decline':
        response.writeHead(201, { 'Content-Type': 'application/json' }).end(text)
        break
      case 'reset':
        response.destroy()
        break
      case 'malformed':
        response.end('<html>')
        break
      case 'truncated':
        response.writeHead(201, { 'Content-Length': '1000' })
        response.write(text, () => response.destroy())
        break
      case 'fail':
        response.writeHead(500).end()
        break
      default:
        // stall, late: nothing.
        break
    }
  }

  const server = createServer((request, response) => {
    response.on('error', () => {})
    buffer(request).then(
      async (bytes) => {
        if (request.method === 'POST') {
          await charge(String(request.headers['idempotency-key']), bytes.toString(), response)
          return
        }
        const key = String(request.url).split('/').at(-1)
        const found = ledger.find((one) => one.key === key)
        if (gateway.finds === 'fail') response.writeHead(500).end()
        else if (found === undefined) response.writeHead(404).end()
        else response.end(JSON.stringify({ id: found.id, status: found.status }))
      },
      () => {},
    )
  })
  const port = await listen(server, '127.0.0.1', options.port ?? 0)
  const gateway: CountingGateway = {
    url: `http://127.0.0.1:${port}`,
    port,
    finds: 'answer',
    hold: Promise.resolve(),
    arrived: () => arrived,
    charges() {
      const counts = new Map<string, number>()
      for (const { key } of ledger) counts.set(key, (counts.get(key) ?? 0) + 1)
      return counts
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
  return gateway
}
