import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { newKey, type OrderFields, orderBody, postOrder, type Reply } from './order-client.ts'

/** One key: what was sent with it, and every final response that came back. */
export interface Sent {
  key: string
  fields: OrderFields
  body: string
  finals: Reply[]
}

export interface History {
  sent: Sent[]
  /** How often each passing trouble was met, e.g. `503 store_unavailable` or `ECONNRESET`. */
  interim: Map<string, number>
  finals: number
  /** When the last response 503 or lost connection came, by performance.now(). */
  lastTroubleMs: number
  /** The longest that any response took, passing trouble included. */
  slowestMs: number
  /** For one key, retries and all. */
  patienceMs?: number
}

export interface LoadOptions {
  urls: readonly string[]
  /** Clients at work at the same time. */
  clients?: number
  /** Of each request at the same time, to different services. */
  copies?: number
  /** Then the load waits for finish(). */
  maxKeys?: number
  /** For one key, retries and all. */
  patienceMs?: number
}

export interface Load {
  readonly history: History
  /** Resolves after this many more final responses: it is in full swing, however slow the machine is. */
  more(responses: number): Promise<void>
  /** No new keys; resolves when each has its final response and has been replayed once more. */
  finish(): Promise<History>
}

/** Less than Retry-After says: the point is to press. */
const RETRY_MS = 60
const THINK_MS = 5
const POLL_MS = 10
/** Longer than every outage but that of a failover manager. */
const PATIENCE_MS = 30_000
const PASSING = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE'])

/**
 * Clients that place orders until finish(), each key several times at once, and repeat whatever did not get a
 * final response. Only these are taken as passing: a lost connection, 503 and 409 request_in_progress with
 * Retry-After. Any other response than 201 fails the load.
 */
export function startLoad(options: LoadOptions): Load {
  const { urls, clients = 24, copies = 2, maxKeys = 4_000, patienceMs = PATIENCE_MS } = options
  const history: History = {
    sent: [],
    interim: new Map(),
    finals: 0,
    lastTroubleMs: 0,
    slowestMs: 0,
    patienceMs,
  }
  let stopping = false

  const client = async () => {
    while (!stopping && history.sent.length < maxKeys) {
      const n = history.sent.length
      const sent = newSent(history)
      await Promise.all(Array.from({ length: copies }, (_, copy) => placeAt(urls, sent, history, n + copy)))
      const earlier = history.sent[Math.floor(n / 2)]
      // One that is still in flight would be told so.
      if (earlier !== undefined && earlier.finals.length > 0) await placeAt(urls, earlier, history, n)
      await sleep(THINK_MS)
    }
  }
  const ended = Promise.all(Array.from({ length: clients }, client))
  // Told by finish(); until then it must not end the test process.
  ended.catch(() => {})

  return {
    history,
    async more(responses) {
      const enough = history.finals + responses
      const deadline = Date.now() + patienceMs
      let failed = false
      ended.catch(() => {
        failed = true
      })
      while (history.finals < enough) {
        if (failed) await ended
        assert.ok(Date.now() < deadline, `the load does not get on: ${summary(history)}`)
        await sleep(POLL_MS)
      }
    },
    async finish() {
      stopping = true
      await ended
      let next = 0
      const replayer = async () => {
        for (let sent = history.sent[next++]; sent !== undefined; sent = history.sent[next++]) {
          await placeAt(urls, sent, history, next)
        }
      }
      await Promise.all(Array.from({ length: clients }, replayer))
      return history
    },
  }
}

/** A request of its own, that the history will be held to. */
export function newSent(history: History): Sent {
  const n = history.sent.length
  const fields = { user_id: `user-${n % 7}`, item: `item ${n} \u00e9\u2713`, amount: n + 0.25 }
  const sent = { key: newKey(), fields, body: orderBody(fields), finals: [] }
  history.sent.push(sent)
  return sent
}

/** Repeats one request, at one service after the other beginning with `first`, until it gets 201. */
export async function placeAt(
  urls: readonly string[],
  sent: Sent,
  history: History,
  first = 0,
): Promise<Reply> {
  const patienceMs = history.patienceMs ?? PATIENCE_MS
  const deadline = Date.now() + patienceMs
  for (let turn = first; Date.now() < deadline; turn++) {
    const url = urls[turn % urls.length] ?? ''
    const startedMs = performance.now()
    const outcome = await postOrder(url, sent.key, sent.body).catch(connectionFault)
    history.slowestMs = Math.max(history.slowestMs, performance.now() - startedMs)
    if (typeof outcome !== 'string' && outcome.status === 201) {
      sent.finals.push(outcome)
      history.finals++
      return outcome
    }
    const word = typeof outcome === 'string' ? outcome : passing(outcome)
    history.interim.set(word, (history.interim.get(word) ?? 0) + 1)
    if (!word.startsWith('409')) history.lastTroubleMs = performance.now()
    await sleep(RETRY_MS)
  }
  throw new Error(`key ${sent.key} has no final response after ${patienceMs} ms: ${summary(history)}`)
}

function passing(reply: Reply): string {
  const word = `${reply.status} ${reply.code}`
  const known = reply.status === 503 || word === '409 request_in_progress'
  assert.ok(known, `a request got ${word}: ${reply.body.toString()}`)
  assert.match(String(reply.headers['retry-after']), /^[1-9]\d*$/, `${word} without Retry-After`)
  return word
}

function connectionFault(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (!PASSING.has(code)) throw error
  return code
}

/** How often any of these troubles was met. */
export function met(history: History, ...words: string[]): number {
  return words.reduce((sum, word) => sum + (history.interim.get(word) ?? 0), 0)
}

export function summary(history: History): string {
  const interim = [...history.interim].map(([word, count]) => `${count} x ${word}`).join(', ')
  return `${history.sent.length} keys, ${history.finals} final responses; on the way: ${interim || 'nothing'}; slowest ${Math.round(history.slowestMs)} ms`
}
