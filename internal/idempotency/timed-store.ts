import type { IdempotencyStore } from './store.ts'

type Verb = keyof IdempotencyStore

/** The same store, with the time that each verb took told in seconds, whether it succeeded or not. */
export function timedStore(
  store: IdempotencyStore,
  observe: (verb: Verb, seconds: number) => void,
): IdempotencyStore {
  const timed = <T>(verb: Verb, work: Promise<T>): Promise<T> => {
    const startedMs = performance.now()
    const done = () => observe(verb, (performance.now() - startedMs) / 1000)
    work.then(done, done)
    return work
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
