import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { seeded } from '../../src/tools/simulator/seeded.ts'
import { send } from '../support/order-client.ts'
import { JsonLines, type PageRecord } from './event-records.ts'
import { monotonicMs } from './history.ts'
import type { RunPlan } from './run-plan.ts'
import { type Identity, sha256, signedHeaders } from './traffic.ts'
import { clientsOfEvents } from './work-items.ts'

const PATH = '/api/v1/events'
const EVERY_MS = 500
const TIMEOUT_MS = 5_000
const MAX_LIMIT = 40
/** How often one more begins in the middle, and how many of these there are at most. */
const LATER_EVERY_MS = 8_000
const MAX_LATER = 6

const head = z.object({
  events: z.array(z.object({ id: z.string() })),
  next_cursor: z.string().nullable(),
  has_more: z.boolean(),
})

/** One that pages on and on, and keeps its cursor whatever happens to nodes. */
interface Reader {
  name: string
  client: Identity
  from: '' | 'now'
  type: string | undefined
  cursor: string
  lastId: string
}

/** Partners that read their events by cursor all the time, some from the first event on, some from the middle. */
export class EventReaders {
  readonly #urls: readonly string[]
  readonly #lines: JsonLines<PageRecord>
  readonly #random: () => number
  readonly #readers: Reader[]
  readonly #clients: readonly Identity[]
  readonly #work: Promise<void>[] = []
  #stopping = false

  constructor(plan: RunPlan, urls: readonly string[], directory: string) {
    this.#urls = urls
    this.#lines = new JsonLines(join(directory, 'pages.jsonl'))
    this.#random = seeded(`${plan.seed}/readers`)
    this.#clients = clientsOfEvents(plan)
    this.#readers = this.#clients.map((client) => reader(`${client.name}-all`, client, '', undefined))
    for (const client of this.#clients.slice(0, 1)) {
      this.#readers.push(reader(`${client.name}-completed`, client, '', 'payment.completed'))
    }
  }

  start(): void {
    for (const one of this.#readers) this.#work.push(this.#read(one))
    this.#work.push(this.#more())
  }

  /** Whether each of them has read up to the last event of its client, which this names. */
  areAt(lastId: (client: string, type: string | undefined) => string): boolean {
    return this.#readers.every(({ client, type, from, lastId: own }) => {
      const last = lastId(client.name, type)
      return own === last || (from === 'now' && own === '')
    })
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#work)
    await this.#lines.close()
  }

  async #more(): Promise<void> {
    for (let n = 0; n < MAX_LATER && !this.#stopping; n++) {
      for (let ms = 0; ms < LATER_EVERY_MS && !this.#stopping; ms += EVERY_MS) await sleep(EVERY_MS)
      const client = this.#clients[n % this.#clients.length]
      if (client === undefined || this.#stopping) return
      const one = reader(`${client.name}-${n}`, client, 'now', undefined)
      this.#readers.push(one)
      this.#work.push(this.#read(one))
    }
  }

  async #read(one: Reader): Promise<void> {
    for (let n = 0; !this.#stopping; n++) {
      const more = await this.#page(one, n).catch(() => false)
      await sleep(more ? 0 : EVERY_MS * (0.5 + this.#random()))
    }
  }

  /** Whether there is more. Without a response the same page is asked for again, at another node. */
  async #page(one: Reader, n: number): Promise<boolean> {
    const limit = 1 + Math.floor(this.#random() * MAX_LIMIT)
    const cursor = one.cursor === '' ? '' : `&cursor=${one.cursor}`
    const path = `${PATH}?limit=${limit}${cursor}${one.type === undefined ? '' : `&type=${one.type}`}`
    const { headers } = signedHeaders(one.client, { method: 'GET', path, body: '', value: {} }, '')
    const url = `${this.#urls[n % this.#urls.length]}${path}`
    const reply = await send(url, { headers, timeoutMs: TIMEOUT_MS })
    if (reply.status !== 200) return false
    const text = reply.body.toString()
    const { events, next_cursor: next, has_more: more } = head.parse(JSON.parse(text))
    const bytes = objectsOf(text)
    if (bytes.length !== events.length) throw new Error(`a page with ${events.length} events cannot be cut`)
    if (events.length > 0) {
      this.#lines.write({
        at: monotonicMs(),
        reader: one.name,
        client: one.client.name,
        from: one.from,
        ...(one.type === undefined ? {} : { type: one.type }),
        events: events.map(({ id }, i) => [id, sha256(bytes[i] ?? '')]),
      })
    }
    if (next !== null) one.cursor = next
    one.lastId = events.at(-1)?.id ?? one.lastId
    return more
  }
}

function reader(name: string, client: Identity, from: '' | 'now', type: string | undefined): Reader {
  return { name, client, from, type, cursor: from, lastId: '' }
}

/** The members of the array that `{"events":[…` begins with, as bytes: parsing them would lose how they were written. */
export function objectsOf(text: string): string[] {
  const found: string[] = []
  let [depth, start, inText] = [0, 0, false]
  for (let i = text.indexOf('[') + 1; i < text.length; i++) {
    const char = text[i]
    if (inText) {
      if (char === '\\') i++
      else if (char === '"') inText = false
    } else if (char === '"') inText = true
    else if (char === '{' || char === '[') {
      if (depth++ === 0) start = i
    } else if (char === '}' || char === ']') {
      // The end of the array itself.
      if (depth === 0) return found
      if (--depth === 0) found.push(text.slice(start, i + 1))
    }
  }
  return found
}
