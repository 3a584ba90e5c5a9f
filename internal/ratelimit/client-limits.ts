import type { Limit } from './rate-limits.ts'

/** The client's own limits; undefined: the limits of the service apply. Called for each request, synchronously. */
export type OwnLimits = (client: string) => readonly Limit[] | undefined

/**
 * Returns a function that gives the value for a client. The client's own limits replace the limits of scope `client` and
 * `endpoint`. `make` is called once for the limits of the service and once for each array of `ownLimits`, which must
 * return the same array for the same limits.
 */
export function limitsByClient<T>(
  limits: readonly Limit[],
  ownLimits: OwnLimits | undefined,
  make: (limits: readonly Limit[]) => T,
): (client: string) => T {
  const common = make(limits)
  if (ownLimits === undefined) return () => common
  const shared = limits.filter(({ scope }) => scope === 'global' || scope === 'ip')
  const made = new WeakMap<readonly Limit[], { value: T }>()
  return (client) => {
    const own = ownLimits(client)
    if (own === undefined) return common
    const known = made.get(own)
    if (known !== undefined) return known.value
    const value = make([...shared, ...own])
    made.set(own, { value })
    return value
  }
}
