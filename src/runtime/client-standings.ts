import type { ClientStanding } from '../../internal/console/shown.ts'
import type { Limiter } from '../../internal/ratelimit/limiter.ts'
import { limitsByClient, type OwnLimits } from '../../internal/ratelimit/rate-limits.ts'
import type { CountedLimits } from './limits.ts'

export interface StandingsOptions {
  limiter: Limiter
  ownLimits: OwnLimits | undefined
  limits: readonly CountedLimits[]
  /** Its name in the limits. */
  route: string
}

/** The state of the limits of a client, without using them. Limits by address do not belong to a client. */
export async function clientStandings(
  { limiter, ownLimits, limits: counted, route }: StandingsOptions,
  client: string,
): Promise<ClientStanding[]> {
  const groups = await Promise.all(
    counted.map(async ({ group, limits }) => {
      const applied = limitsByClient(limits, ownLimits, (all) => all)(client)
      const own = applied.filter(({ scope }) => scope === 'client' || scope === 'endpoint')
      if (own.length === 0) return []
      const { statuses } = await limiter.peek(own, { client, ip: '', route, group })
      return statuses.map(({ name, remaining, allowed, resetAfterMs }) => {
        const limit = own.find((one) => one.name === name)
        return { group, name, quota: limit?.burst ?? 0, remaining, allowed, resetAfterMs }
      })
    }),
  )
  return groups.flat()
}
