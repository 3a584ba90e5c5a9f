import type { IdempotencyStore } from './store.ts'

type Verb = keyof IdempotencyStore

/** The same store, with the time that each verb took told in seconds, whether it succeeded or not. */
export function timedStore(
  store: IdempotencyStore,
  observe: (verb: Verb, seconds: number) => void,
): IdempotencyStore {
  const timed = async <T>(verb: Verb, work: Promise<T>): Promise<T> => {
    const startedMs = performance.now()
    try {
      return await work
    } finally {
      observe(verb, (performance.now() - startedMs) / 1000)
    }
  }
  return {
    claim: (...args) => timed('claim', store.claim(...args)),
    dispatch: (...args) => timed('dispatch', store.dispatch(...args)),
    renew: (...args) => timed('renew', store.renew(...args)),
    complete: (...args) => timed('complete', store.complete(...args)),
    release: (...args) => timed('release', store.release(...args)),
    resolve: (...args) => timed('resolve', store.resolve(...args)),
  }
}
