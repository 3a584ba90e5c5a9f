import type { Stage } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'

/** Counts the requests under way, also those whose client has gone, and refuses new ones once stopping. */
export class Drain {
  #underWay = 0
  #stopping = false
  #idle: (() => void) | undefined

  get stopping(): boolean {
    return this.#stopping
  }

  get underWay(): number {
    return this.#underWay
  }

  /** From now on new requests get 503 `shutting_down`. Resolves with true when the last one under way has ended. */
  async stop(graceMs: number): Promise<boolean> {
    this.#stopping = true
    if (this.#underWay === 0) return true
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
    this.#underWay++
  }

  leave(): void {
    this.#underWay--
    if (this.#underWay === 0) this.#idle?.()
  }

  /** Where work begins; health checks and metrics stand before it. */
  stage(): Stage {
    return async (ctx, next) => {
      this.enter()
      try {
        await next()
      } finally {
        // An answer under way when the stop began tells its client not to use the connection again.
        if (this.#stopping) ctx.set('Connection', 'close')
        this.leave()
      }
    }
  }
}
