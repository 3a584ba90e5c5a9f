import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { errorMessage } from '../core/error-message.ts'
import type { Database } from '../database/database.ts'
import {
  type AttemptResult,
  dropDelivery,
  fanOut,
  type Settled,
  settleDelivery,
  sweepDeliveries,
  type TakenDelivery,
  takeDeliveries,
} from './delivery-table.ts'
import { endpointSecrets, findEndpoint, resealEndpoints } from './endpoints.ts'
import { eventId, eventJson, type ReadObjects } from './event.ts'
import type { WebhookPost, WebhookResponse } from './post-webhook.ts'
import { retryAfterMs, retryDelayMs } from './retry-schedule.ts'
import { type Sealing, webhookHeaders } from './webhook-secret.ts'

export interface DelivererOptions {
  database: Database
  sealing: Sealing
  readObjects: ReadObjects
  post: (request: Omit<WebhookPost, 'allowLocal'>) => Promise<WebhookResponse>
  /** Unix milliseconds by the clock of the database. */
  now: () => number
  /** 0 to less than 1. */
  random: () => number
  /** Called for each attempt. */
  onAttempt?: (attempt: { client: string; endpoint: string; outcome: Settled; durationMs: number }) => void
  onTrouble?: (error: unknown) => void
  everyMs?: number
  leaseMs?: number
}

export interface Deliverer {
  /** Sends what is due; resolves with the number of attempts after the last one. */
  round(): Promise<number>
  /** Resolves when nothing is in flight any more. */
  close(): Promise<void>
}

const EVERY_MS = 1_000
const TIMEOUT_MS = 15_000
/** Longer than an attempt with all its statements; the deliveries of a dead node wait for so long. */
const LEASE_MS = 60_000
const MAX_IN_FLIGHT = 128
/** An endpoint that gets few types comes past many events for each delivery: it must not fall behind its client. */
const FAN_OUTS_IN_A_LOOK = 10
/** For what is in flight when the service stops. */
const CLOSE_MS = 1_000
const GIVE_UP_MS = 5 * 86_400_000
const KEEP_MS = 30 * 86_400_000
const SWEEP_EVERY_MS = 60_000
const SWEEP = 1_000
/** As Standard Webhooks recommends. A longer event has only the id of its object. */
const MAX_PAYLOAD_BYTES = 20_000
const MAX_ERROR = 256

/** Delivers events at least once, on every node: a delivery is taken under a lease, after which another node may take it. */
export function startDeliverer(options: DelivererOptions): Deliverer {
  const { database, sealing, readObjects, post, now, random } = options
  const { everyMs = EVERY_MS, leaseMs = LEASE_MS } = options
  /** Deliveries in flight by endpoint. */
  const busy = new Map<string, number>()
  const inFlight = new Set<Promise<void>>()
  const stopping = new AbortController()
  // One listener for each webhook in flight.
  setMaxListeners(0, stopping.signal)
  let sweptMs = Number.NEGATIVE_INFINITY

  const take = async (): Promise<Promise<void>[]> => {
    const limit = MAX_IN_FLIGHT - inFlight.size
    if (limit <= 0) return []
    const taken = await takeDeliveries(database, { busy: [...busy.keys()], limit, leaseMs })
    return taken.map((delivery) => {
      busy.set(delivery.endpoint, (busy.get(delivery.endpoint) ?? 0) + 1)
      const work: Promise<void> = attempt(delivery)
        .catch((error: unknown) => options.onTrouble?.(error))
        .finally(() => {
          inFlight.delete(work)
          const left = (busy.get(delivery.endpoint) ?? 1) - 1
          if (left > 0) return void busy.set(delivery.endpoint, left)
          busy.delete(delivery.endpoint)
          // More deliveries of this endpoint may be due, also if the look in flight left it out.
          hasFreed = true
          if (timer !== undefined && performance.now() + everyMs / 10 < dueMs) schedule(everyMs / 10)
        })
      inFlight.add(work)
      return work
    })
  }

  const attempt = async (delivery: TakenDelivery): Promise<void> => {
    const startedMs = performance.now()
    const result = await send(delivery)
    // Its order or payment was deleted, or the node stops: then another one sends it again after the lease.
    if (result === undefined) return
    const { client, endpoint } = delivery
    const outcome = await settleDelivery(database, delivery, result, GIVE_UP_MS)
    options.onAttempt?.({ client, endpoint, outcome, durationMs: performance.now() - startedMs })
  }

  const send = async (delivery: TakenDelivery): Promise<AttemptResult | undefined> => {
    const { client, endpoint: id, event, failures } = delivery
    const failed = (error: string, response?: WebhookResponse): AttemptResult => ({
      delivered: false,
      status: response?.status,
      response: response?.text,
      error: error.slice(0, MAX_ERROR),
      nextMs: retryDelayMs(failures, random(), retryAfterMs(response?.retryAfter, now())),
      gone: response?.status === 410,
    })
    const endpoint = await findEndpoint(database, client, id)
    if (endpoint === undefined) return failed('the endpoint was removed')
    const secrets = await endpointSecrets(database, sealing, endpoint)
    const data = (await readObjects(client, [event])).get(eventId(event))
    if (data === undefined) return void (await dropDelivery(database, delivery))
    const body = payload(client, event, data)
    const headers = webhookHeaders(secrets, eventId(event), Math.floor(now() / 1_000), body)
    const { signal } = stopping
    let response: WebhookResponse
    try {
      response = await post({ url: endpoint.url, headers, body, timeoutMs: TIMEOUT_MS, signal })
    } catch (error) {
      if (signal.aborted) return undefined
      return failed(errorMessage(error))
    }
    const { status, text } = response
    if (status < 200 || status > 299) return failed(`status ${status}`, response)
    return { delivered: true, status, response: text, error: undefined, nextMs: undefined, gone: false }
  }

  /** true: there are more. */
  const makeDeliveries = async (): Promise<boolean> => {
    for (let n = 0; n < FAN_OUTS_IN_A_LOOK; n++) if (closed || !(await fanOut(database))) return false
    return true
  }

  const round = async (): Promise<number> => {
    await makeDeliveries()
    const works = await take()
    await Promise.all(works)
    return works.length
  }

  const sweep = async () => {
    if (performance.now() - sweptMs < SWEEP_EVERY_MS) return
    sweptMs = performance.now()
    const removed = await sweepDeliveries(database, KEEP_MS, SWEEP)
    await resealEndpoints(database, sealing)
    // While there are more, each look takes some: what has ended goes as fast as it came.
    if (removed >= SWEEP) sweptMs = Number.NEGATIVE_INFINITY
  }

  let closed = false
  /** undefined: a look is in flight. */
  let timer: NodeJS.Timeout | undefined
  /** When the timer fires, by performance.now(). */
  let dueMs = 0
  /** Since the last look began an endpoint has no delivery in flight any more. */
  let hasFreed = false
  let looking: Promise<void> = Promise.resolve()
  /** Does not wait for what it sends: a slow endpoint does not delay the others. */
  const look = async () => {
    let works: Promise<void>[] = []
    let hasMore = false
    hasFreed = false
    try {
      hasMore = await makeDeliveries()
      works = await take()
      await sweep()
    } catch (error) {
      options.onTrouble?.(error)
    }
    schedule(hasMore || works.length > 0 || hasFreed ? everyMs / 10 : everyMs)
  }
  const schedule = (ms: number) => {
    if (closed) return
    clearTimeout(timer)
    const pauseMs = ms * (0.75 + random() / 2)
    dueMs = performance.now() + pauseMs
    timer = setTimeout(() => {
      timer = undefined
      looking = look()
    }, pauseMs)
    timer.unref()
  }
  schedule(everyMs)

  return {
    round,
    async close() {
      closed = true
      clearTimeout(timer)
      await looking
      await Promise.race([Promise.all(inFlight), sleep(CLOSE_MS, undefined, { ref: false })])
      stopping.abort()
      await Promise.all(inFlight)
    },
  }
}

function payload(client: string, event: TakenDelivery['event'], data: string): string {
  const whole = eventJson(client, event, data)
  if (Buffer.byteLength(whole) <= MAX_PAYLOAD_BYTES) return whole
  return eventJson(client, event, JSON.stringify({ object_id: event.object }))
}
