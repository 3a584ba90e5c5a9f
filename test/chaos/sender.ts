import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { Connections, type WireResponse } from './connections.ts'
import { monotonicMs, type SendKind } from './history.ts'
import type { Recorder } from './recorder.ts'
import type { RunPlan } from './run-plan.ts'
import { type SignedHeaders, sha256, type Wanted } from './traffic.ts'

export interface SendRequest {
  kind: SendKind
  client: string
  key: string
  node: number
  wanted: Wanted
  signed: SignedHeaders
  /** The client goes away after this long. */
  leaveMs?: number
}

export interface SendResult {
  status: number
  code: string
  /** Seconds. */
  retryAfter: number
}

/** A request is given up this long after its deadline, so that one that is late can be told from one that never ends. */
const PATIENCE_MS = 12_000
const REFUSED_MS = 2_000

/** Sends single requests and writes down what becomes of them; knows nothing of retries. */
export class Sender {
  readonly tally = { sent: 0, ended: 0, lost: 0 }
  readonly #plan: RunPlan
  /** A request that has been written down leaves at once: one that waits for a connection would count as late. */
  readonly #connections = new Connections()
  readonly #recorder: Recorder
  readonly #urls: readonly string[]
  readonly #name: string
  readonly #secrets: readonly string[]
  readonly #refusedAt = new Map<number, number>()
  #n = 0

  constructor(plan: RunPlan, recorder: Recorder, urls: readonly string[], name: string) {
    this.#plan = plan
    this.#recorder = recorder
    this.#urls = urls
    this.#name = name
    this.#secrets = [...plan.clients.map(({ secret }) => secret), plan.methodCanary]
  }

  /** The node did not take a connection a moment ago. */
  hasRefused(node: number): boolean {
    return monotonicMs() - (this.#refusedAt.get(node) ?? Number.NEGATIVE_INFINITY) < REFUSED_MS
  }

  /** undefined: no response came. `onSent` is told when the request is on the disk and about to leave. */
  async tell(sending: SendRequest, onSent: () => void = () => {}): Promise<SendResult | undefined> {
    const { kind, client, key, node, wanted, signed } = sending
    const id = `${this.#name}-${this.#n++}`
    const { method, path, body, value } = wanted
    await this.#recorder.write({
      t: 'sent',
      at: monotonicMs(),
      id,
      client,
      key,
      kind,
      node,
      target: `${method} ${path}`,
      sha: sha256(body),
      value,
      signature: signed.signature,
    })
    this.tally.sent++
    onSent()
    try {
      const reply = await this.#send(sending)
      return await this.#answered(id, reply)
    } catch (error) {
      this.tally.lost++
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      if (code === 'ECONNREFUSED') this.#refusedAt.set(node, monotonicMs())
      await this.#recorder.write({ t: 'lost', at: monotonicMs(), id, error: code })
      return undefined
    }
  }

  async #send({ kind, node, wanted, signed, leaveMs }: SendRequest): Promise<WireResponse> {
    const { method, path, body } = wanted
    const url = new URL(this.#urls[node % this.#urls.length] ?? '')
    if (kind === 'half') {
      await halfABody(url, wanted, signed.headers, leaveMs ?? 0)
      throw Object.assign(new Error('left'), { code: 'LEFT' })
    }
    const timeoutMs = leaveMs ?? this.#plan.deadlineMs + PATIENCE_MS
    const { headers } = signed
    return await this.#connections.send({ port: Number(url.port), method, path, headers, body, timeoutMs })
  }

  async #answered(id: string, { status, headers, body }: WireResponse): Promise<SendResult> {
    const text = body.toString()
    const one = (name: string) => headers.get(name) ?? ''
    const remaining = headers.get('x-ratelimit-remaining')
    const { code, detail } =
      one('content-type') === 'application/problem+json' ? problemOf(text) : { code: '', detail: '' }
    this.tally.ended++
    await this.#recorder.write({
      t: 'answered',
      at: monotonicMs(),
      id,
      status,
      code,
      detail,
      sha: sha256(body),
      replayed: one('idempotent-replayed') === 'true',
      retryAfter: one('retry-after'),
      type: one('content-type'),
      location: one('location'),
      remaining: remaining === undefined ? null : Number(remaining),
      leaked: this.#secrets.some((secret) => text.includes(secret)),
    })
    return { status, code, retryAfter: Number(one('retry-after')) }
  }
}

function problemOf(text: string): { code: string; detail: string } {
  const parsed: unknown = JSON.parse(text)
  if (typeof parsed !== 'object' || parsed === null || !('code' in parsed)) {
    throw new Error(`a problem without a code: ${text}`)
  }
  return { code: String(parsed.code), detail: 'detail' in parsed ? String(parsed.detail) : '' }
}

/** The head and half of the body, a pause, and a connection that is gone. */
async function halfABody(
  url: URL,
  { method, path, body }: Wanted,
  headers: Record<string, string>,
  pauseMs: number,
): Promise<void> {
  const socket = connect(Number(url.port), url.hostname)
  socket.on('error', () => {})
  const lines = Object.entries({ Host: url.host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  const bytes = Buffer.from(body)
  socket.write(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`)
  socket.write(bytes.subarray(0, Math.floor(bytes.length / 2)))
  await sleep(pauseMs)
  socket.destroy()
}
