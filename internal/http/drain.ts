import { middleware } from '../core/compose.ts'
import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'

/** Counts the requests in flight, also those whose client has gone, and refuses new ones once stopping. */
export class Drain {
  #inFlight = 0
  #stopping = false
  #idle: (() => void) | undefined

  get stopping(): boolean {
    return this.#stopping
  }

  get inFlight(): number {
    return this.#inFlight
  }

  /** From now on new requests get 503 `shutting_down`. Resolves with true when the last one in flight has ended. */
  async stop(graceMs: number): Promise<boolean> {
    this.#stopping = true
    if (this.#inFlight === 0) return true
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), graceMs)
    })
    const idle = new Promise<true>((resolve) => {
      this.#idle = () => resolve(true)
    })
    return await Promise.race([idle, late]).finally(() => clearTimeout(timer))
  }

  /** Counts a request; throws `shutting_down` once stopping. Each one that got in must leave() once. */
  enter(): void {
    if (this.#stopping) {
      throw new ServiceError('shutting_down', 'The service is shutting down. Try again with the same key.', {
        retryAfterMs: 1_000,
        headers: { Connection: 'close' },
      })
    }
    this.#inFlight++
  }

  leave(): void {
    this.#inFlight--
    if (this.#inFlight === 0) this.#idle?.()
  }

  /** Where work begins; health checks and metrics stand before it. */
  middleware(): Middleware {
    return middleware(
      () => {
        this.enter()
        return undefined
      },
      (ctx, thrown) => {
        // A response in flight when the stop began tells its client not to use the connection again.
        if (this.#stopping) ctx.set('Connection', 'close')
        this.leave()
        return thrown
      },
    )
  }
}
