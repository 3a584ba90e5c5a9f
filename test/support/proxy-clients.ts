import { setTimeout as sleep } from 'node:timers/promises'
import { type Reply, send } from './order-client.ts'

/** A response with which a client stops asking: the backend's own, or `outcome_unknown`. */
export type Final = { kind: 'answer'; status: number; type: string; body: string } | { kind: 'unknown' }

export interface Job {
  key: string
  /** With query. */
  target: string
  body: string
  headers?: Record<string, string>
}

export interface Tally {
  /** A response that is lost in a blackhole is waited for this long. */
  readonly attemptMs: number
  sent: number
  /** Attempts without a response, or with one that did not arrive whole. */
  lost: number
  /** Full responses that were not the end, by status and code. */
  notYet: Map<string, number>
}

const FIRST_PAUSE_MS = 20
const MAX_PAUSE_MS = 500

/** Sends one copy of a job, to one of these ports at a time, until it has its end. undefined: not within the time. */
export async function ask(
  job: Job,
  ports: readonly number[],
  deadlineMs: number,
  random: () => number,
  tally: Tally,
): Promise<Final | undefined> {
  for (let pauseMs = FIRST_PAUSE_MS; Date.now() < deadlineMs; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    const port = ports[Math.floor(random() * ports.length)] ?? 0
    const reply = await attempt(job, port, tally)
    const final = reply === undefined ? undefined : finalOf(reply)
    if (final !== undefined) return final
    if (reply !== undefined) count(tally.notYet, `${reply.status} ${reply.code}`)
    await sleep(pauseMs * (0.5 + random()))
  }
  return undefined
}

/** One attempt; undefined: its response did not arrive. */
export async function attempt(
  job: Job,
  port: number,
  tally: Tally,
  timeoutMs = tally.attemptMs,
): Promise<Reply | undefined> {
  tally.sent++
  const options = {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': job.key, ...job.headers },
    body: job.body,
    timeoutMs,
  }
  try {
    return await send(`http://127.0.0.1:${port}${job.target}`, options)
  } catch {
    tally.lost++
    return undefined
  }
}

/** Problem documents are the sidecar's: but for outcome_unknown they say that trying again makes sense. */
function finalOf({ status, code, headers, body }: Reply): Final | undefined {
  if (code === 'outcome_unknown') return { kind: 'unknown' }
  if (code !== '') return undefined
  return { kind: 'answer', status, type: headers['content-type'] ?? '', body: body.toString('latin1') }
}

function count(map: Map<string, number>, name: string): void {
  map.set(name, (map.get(name) ?? 0) + 1)
}
