import { middleware } from '../core/compose.ts'
import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'

/** Counts the requests in flight, also after their client disconnected, and refuses new ones after `stop`. */
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

  /**
   * New requests get 503 `shutting_down` from now on. Resolves with true when no request is in flight, or with false
   * after `graceMs`.
   */
  async stop(graceMs: number): Promise<boolean> {
    this.#stopping = true
    if (this.#inFlight === 0) return true
    let timer: NodeJS.Timeout | undefined
    const timeout = new Promise<false>((resolve) => {
      timer = setTimeout(() => resolve(false), graceMs)
    })
    const idle = new Promise<true>((resolve) => {
      this.#idle = () => resolve(true)
    })
    return await Promise.race([idle, timeout]).finally(() => clearTimeout(timer))
  }

  /** Counts a request; throws `shutting_down` after `stop`. Each counted request must call leave() once. */
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

  /** For routes that do work. Health checks and metrics come before it, so that they work while stopping. */
  middleware(): Middleware {
    return middleware(
      () => {
        this.enter()
        return undefined
      },
      (ctx, thrown) => {
        // Tells the client not to reuse the connection.
        if (this.#stopping) ctx.set('Connection', 'close')
        this.leave()
        return thrown
      },
    )
  }
}
