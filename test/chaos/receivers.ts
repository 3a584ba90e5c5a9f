import { writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { listen } from '../../internal/http/server.ts'
import { seeded } from '../../src/tools/simulator/seeded.ts'
import { EndpointOfReceiver } from './endpoint-of-receiver.ts'
import { JsonLines, type WebhookRecord } from './event-records.ts'
import { monotonicMs } from './history.ts'
import type { RunPlan } from './run-plan.ts'
import { sha256 } from './traffic.ts'
import { VoidRun } from './void-run.ts'
import { clientsOfEvents } from './work-items.ts'

/** What a receiver does with a webhook; `hold`: it has it, and responds 200 when it is let go. */
export type Mood = 'well' | 'hold' | '500' | '410' | 'redirect' | 'stall' | 'reset' | 'lies' | 'not-http'

/** Not every webhook: some get through in between. */
const SHARE = 0.7
const LISTENS_MS = 45_000
/** Of one client; one of them wants orders only. */
const ENDPOINTS = 2

interface Arrival {
  receiver: number
  request: IncomingMessage
  body: string
  mood: Mood
  at: number
  wall: number
}

export interface Held {
  receiver: number
  id: string
  at: number
  /** Of the sender. */
  port: number
  /** The sender has gone away. */
  leftAt: number | undefined
  release: () => void
}

/** One HTTP server of a partner, for one endpoint. */
class Receiver {
  readonly endpoint: EndpointOfReceiver
  mood: Mood = 'well'
  struck = 0
  port = 0
  server: Server | undefined

  constructor(endpoint: EndpointOfReceiver) {
    this.endpoint = endpoint
  }
}

/** The receivers of all endpoints of a run. Each webhook that arrives is written down with what its receiver did. */
export class Receivers {
  readonly all: Receiver[]
  readonly #lines: JsonLines<WebhookRecord>
  readonly #directory: string
  readonly #random: () => number
  readonly #known = new Set<string>()
  readonly #held = new Set<Held>()
  /** By receiver and id. */
  readonly #arrivals = new Map<string, number>()
  /** Where redirects lead: nothing may come there. */
  readonly #trap = createServer((request, response) => {
    this.#record({ receiver: -1, request, body: '', mood: 'redirect', ...now() }, 200)
    response.end()
  })
  #trapUrl = ''
  arrived = 0

  private constructor(plan: RunPlan, directory: string) {
    this.#directory = directory
    this.#random = seeded(`${plan.seed}/receivers`)
    this.#lines = new JsonLines(join(directory, 'webhooks.jsonl'))
    this.all = clientsOfEvents(plan).flatMap((client, n) =>
      Array.from(
        { length: ENDPOINTS },
        (_, own) =>
          new Receiver(
            new EndpointOfReceiver(
              n * ENDPOINTS + own,
              client,
              own === 1 && n === 0 ? ['order.created'] : null,
            ),
          ),
      ),
    )
  }

  static async open(plan: RunPlan, directory: string): Promise<Receivers> {
    const receivers = new Receivers(plan, directory)
    receivers.#trapUrl = `http://127.0.0.1:${await listen(receivers.#trap, '127.0.0.1', 0)}/`
    for (const receiver of receivers.all) await receivers.#listen(receiver)
    return receivers
  }

  /** Before the load: all events of the run are for them. */
  async register(urls: readonly string[]): Promise<void> {
    for (const { endpoint, port } of this.all) await endpoint.register(urls, `http://127.0.0.1:${port}/hook`)
  }

  /** The webhooks whose senders wait for a response. */
  get held(): readonly Held[] {
    return [...this.#held].filter(({ leftAt }) => leftAt === undefined)
  }

  /** Those that were held get their 200. */
  release(): void {
    for (const { release } of this.#held) release()
  }

  arrivalsOf({ receiver, id }: { receiver: number; id: string }): number {
    return this.#arrivals.get(`${receiver} ${id}`) ?? 0
  }

  stopListening(receiver: Receiver): void {
    receiver.server?.close()
    receiver.server?.closeAllConnections()
  }

  /** On the same port, which another program may have for a moment. */
  async listenAgain(receiver: Receiver): Promise<void> {
    const untilMs = performance.now() + LISTENS_MS
    for (;;) {
      try {
        return await this.#listen(receiver)
      } catch (error) {
        if (performance.now() > untilMs) throw new VoidRun(`a receiver has lost its port: ${String(error)}`)
        await sleep(500)
      }
    }
  }

  /** Nothing is sent any more: all that was written down is in its files. */
  async finish(): Promise<void> {
    const records = this.all.map(({ endpoint }) => endpoint.record())
    writeFileSync(join(this.#directory, 'receivers.json'), `${JSON.stringify(records)}\n`)
    await this.#lines.close()
  }

  close(): void {
    for (const server of [this.#trap, ...this.all.flatMap((one) => one.server ?? [])]) {
      server.close()
      server.closeAllConnections()
    }
  }

  async #listen(receiver: Receiver): Promise<void> {
    const server = createServer((request, response) => {
      response.on('error', () => {})
      request.on('error', () => {})
      this.#receive(receiver, request, response).catch(() => request.socket.destroy())
    })
    receiver.port = await listen(server, '127.0.0.1', receiver.port)
    receiver.server = server
  }

  async #receive(receiver: Receiver, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request
    const mood = receiver.mood === 'hold' || this.#random() < SHARE ? receiver.mood : 'well'
    if (mood !== 'well') receiver.struck++
    const arrival: Arrival = { receiver: receiver.endpoint.n, request, body: '', mood, ...now() }
    const record = (status: number) => this.#record(arrival, status)
    if (mood === 'reset' && this.#random() < 0.5) {
      record(0)
      socket.resetAndDestroy()
      return
    }
    arrival.body = (await buffer(request)).toString()
    switch (mood) {
      case 'well':
        record(200)
        response.end('ok')
        return
      case 'hold':
        this.#hold(arrival, (isThere) => {
          record(isThere ? 200 : 0)
          if (isThere) response.end('ok')
        })
        return
      case '500':
      case '410':
        record(Number(mood))
        response.writeHead(Number(mood)).end('no')
        return
      case 'redirect':
        record(307)
        response.writeHead(307, { Location: this.#trapUrl }).end()
        return
      case 'stall':
        record(0)
        return
      case 'reset':
        record(0)
        socket.resetAndDestroy()
        return
      case 'lies':
        lie(socket, this.#random(), record)
        return
      case 'not-http':
        record(0)
        socket.end('SSH-2.0-OpenSSH_9.2\r\n')
    }
  }

  #hold({ receiver, request, at }: Arrival, respond: (isThere: boolean) => void): void {
    const held: Held = {
      receiver,
      id: idOf(request),
      at,
      port: request.socket.remotePort ?? 0,
      leftAt: undefined,
      release: () => {
        if (this.#held.delete(held)) respond(held.leftAt === undefined)
      },
    }
    this.#held.add(held)
    request.socket.once('close', () => {
      held.leftAt = monotonicMs()
    })
  }

  #record({ receiver, request, body, mood, at, wall }: Arrival, status: number): void {
    const one = (name: string) => String(request.headers[name] ?? '')
    const sha = body === '' ? '' : sha256(body)
    const isKnown = this.#known.has(sha)
    this.#known.add(sha)
    const id = idOf(request)
    const name = `${receiver} ${id}`
    this.#arrivals.set(name, (this.#arrivals.get(name) ?? 0) + 1)
    this.arrived++
    this.#lines.write({
      at,
      wall,
      receiver,
      id,
      timestamp: one('webhook-timestamp'),
      signature: one('webhook-signature'),
      sha,
      body: isKnown ? null : body,
      status,
      mood,
    })
  }
}

function now() {
  return { at: monotonicMs(), wall: Date.now() }
}

function idOf(request: IncomingMessage): string {
  return String(request.headers['webhook-id'] ?? '')
}

/** Says another length than it sends, or none that ends. The status counts. */
function lie(socket: Socket, roll: number, record: (status: number) => void): void {
  if (roll < 0.25) {
    record(503)
    socket.end('HTTP/1.1 503 Busy\r\nContent-Length: 1000\r\n\r\nshort')
  } else if (roll < 0.5) {
    record(200)
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort')
  } else if (roll < 0.75) {
    record(500)
    socket.end(`HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n${'long '.repeat(100)}`)
  } else {
    record(200)
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n')
  }
}
