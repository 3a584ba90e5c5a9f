import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { send } from '../support/order-client.ts'
import type { ReceiverRecord } from './event-records.ts'
import { monotonicMs } from './history.ts'
import { type Identity, signedHeaders } from './traffic.ts'
import { VoidRun } from './void-run.ts'

const PATH = '/api/v1/webhook-endpoints'
const PATIENCE_MS = 60_000
const TIMEOUT_MS = 10_000
const PAUSE_MS = 200

const made = z.object({ webhook_endpoint: z.object({ id: z.string(), secret: z.string() }) })

/** The endpoint of one receiver as its client has it: with all of its secrets and when they were in force. */
export class EndpointOfReceiver {
  readonly n: number
  readonly client: Identity
  readonly types: readonly string[] | null
  id = ''
  readonly #secrets: ReceiverRecord['secrets'] = []
  readonly #unknown: ReceiverRecord['unknown'] = []

  constructor(n: number, client: Identity, types: readonly string[] | null) {
    this.n = n
    this.client = client
    this.types = types
  }

  async register(urls: readonly string[], url: string): Promise<void> {
    const from = monotonicMs()
    const body = this.types === null ? { url } : { url, events: this.types }
    const { id, secret } = await this.#post(urls, 0, PATH, body, () => {})
    this.id = id
    this.#secrets.push({ secret, from, until: null })
  }

  /** Repeats it until a response arrives; the secret in a lost response is lost with it. Returns the number of requests. */
  async rotate(urls: readonly string[], node: number, overlapS: number): Promise<number> {
    const from = monotonicMs()
    let tries = 1
    const path = `${PATH}/${this.id}/rotate`
    const { secret } = await this.#post(urls, node, path, { overlap_seconds: overlapS }, () => tries++)
    const to = monotonicMs()
    const before = this.#secrets.at(-1)
    if (before !== undefined) before.until = to + overlapS * 1_000
    this.#secrets.push({ secret, from, until: null })
    if (tries > 1) this.#unknown.push({ from, to })
    return tries
  }

  record(): ReceiverRecord {
    const { n, id, client, types } = this
    return {
      n,
      client: client.name,
      id,
      types: types === null ? null : [...types],
      secrets: this.#secrets,
      unknown: this.#unknown,
    }
  }

  async #post(
    urls: readonly string[],
    firstNode: number,
    path: string,
    value: object,
    onLost: () => void,
  ): Promise<{ id: string; secret: string }> {
    const body = JSON.stringify(value)
    const untilMs = performance.now() + PATIENCE_MS
    for (let node = firstNode; ; node++) {
      const { headers } = signedHeaders(this.client, { method: 'POST', path, body, value: {} }, '')
      const url = `${urls[node % urls.length]}${path}`
      const reply = await send(url, { method: 'POST', headers, body, timeoutMs: TIMEOUT_MS }).catch(
        () => undefined,
      )
      if (reply?.status === 200 || reply?.status === 201) {
        return made.parse(JSON.parse(reply.body.toString())).webhook_endpoint
      }
      if (performance.now() > untilMs)
        throw new VoidRun(`POST ${path} does not succeed: ${reply?.status} ${reply?.body}`)
      onLost()
      await sleep(PAUSE_MS)
    }
  }
}
