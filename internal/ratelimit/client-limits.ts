import type { Limit } from './rate-limits.ts'

/** The limits of the client's own; undefined: the common ones apply. Asked for each request: it must not wait. */
export type OwnLimits = (client: string) => readonly Limit[] | undefined

/**
 * What applies to a client: its own limits stand in place of those of scope `client` and `endpoint`. `make` is called
 * once for the common limits and once for each list of `ownLimits`, which returns the same array for the same list.
 */
export function limitsByClient<T>(
  limits: readonly Limit[],
  ownLimits: OwnLimits | undefined,
  make: (limits: readonly Limit[]) => T,
): (client: string) => T {
  const everybody = make(limits)
  if (ownLimits === undefined) return () => everybody
  const shared = limits.filter(({ scope }) => scope === 'global' || scope === 'ip')
  const made = new WeakMap<readonly Limit[], { value: T }>()
  return (client) => {
    const own = ownLimits(client)
    if (own === undefined) return everybody
    const known = made.get(own)
    if (known !== undefined) return known.value
    const value = make([...shared, ...own])
    made.set(own, { value })
    return value
  }
}
