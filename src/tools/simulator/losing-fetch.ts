import { follow, sleep } from '../../client/signals.ts'
import type { FinalResponse } from './ledger.ts'
import type { Loss } from './plan.ts'

/** The outcome of an attempt for its client. */
export type Outcome = 'fresh' | 'replayed' | 'in progress' | 'limited' | 'lost' | 'failed'

export interface Attempt {
  startMs: number
  endMs: number
  outcome: Outcome
  /** 0: there was no response. */
  status: number
}

export interface Lane {
  /** For the next attempt. */
  nextLoss: () => Loss | undefined
  onAttempt: (attempt: Attempt) => void
  /** Called with a response that must be the same on every retry. */
  onFinal: (response: FinalResponse) => void
  /** Milliseconds, monotonic. */
  now: () => number
}

const NO_BODY = new Set([204, 205, 304])

/** A fetch() that loses responses as a broken connection does, after the service may have done its work. */
export function losingFetch(lane: Lane): typeof globalThis.fetch {
  return async function losingFetch(input, init) {
    const startMs = lane.now()
    const loss = lane.nextLoss()
    const end = (outcome: Outcome, status = 0) =>
      lane.onAttempt({ startMs, endMs: lane.now(), outcome, status })
    if (loss !== undefined) {
      await lose(loss, input, init)
      end('lost')
      throw new TypeError('the response was lost on purpose')
    }
    let response: Response
    let body: Uint8Array<ArrayBuffer>
    try {
      response = await fetch(input, init)
      body = new Uint8Array(await response.arrayBuffer())
    } catch (error) {
      end('failed')
      throw error
    }
    const { status, headers } = response
    const outcome = responseOutcome(status, headers, body)
    end(outcome, status)
    if (isFinal(status)) lane.onFinal(finalResponse(response, body, outcome === 'replayed'))
    return new Response(NO_BODY.has(status) ? null : body, { status, headers })
  }
}

/** Never rejects. */
async function lose(loss: Loss, input: string | URL | Request, init: RequestInit | undefined): Promise<void> {
  const { controller, release } = follow(init?.signal ?? undefined)
  const sending = fetch(input, { ...init, signal: controller.signal }).then(
    (response) => response.body?.cancel(),
    () => {},
  )
  if (loss.how === 'abort') {
    await sleep(loss.afterMs, controller.signal)
    controller.abort()
  }
  await sending.catch(() => {})
  release()
}

/** A declined payment is stored and replayed too. */
function isFinal(status: number): boolean {
  return status < 400 || status === 402
}

function responseOutcome(status: number, headers: Headers, body: Uint8Array): Outcome {
  if (isFinal(status)) return headers.get('Idempotent-Replayed') === 'true' ? 'replayed' : 'fresh'
  if (status === 429) return 'limited'
  const inProgress = status === 409 && new TextDecoder().decode(body).includes('"request_in_progress"')
  return inProgress ? 'in progress' : 'failed'
}

function finalResponse({ status, headers }: Response, body: Uint8Array, replayed: boolean): FinalResponse {
  return {
    status,
    contentType: headers.get('Content-Type'),
    location: headers.get('Location'),
    body,
    replayed,
  }
}
