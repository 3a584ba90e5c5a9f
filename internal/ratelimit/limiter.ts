import type { Standing } from './algorithms.ts'
import type { Limit, Scope } from './rate-limits.ts'

/** Whose request it is, in the words of the service: nothing here is taken from the request unchecked. */
export interface Subject {
  /** The authenticated client: `[A-Za-z0-9._-]{1,64}`. */
  client: string
  ip: string
  /** The route's pattern, not the path as sent, e.g. `POST /orders`. */
  route: string
  /** Name of the rule set (`orders`, `pay`, `v1`, or `all` when one set replaces them): two sets share no quota. */
  group: string
}

export interface LimitStatus extends Standing {
  name: string
  scope: Scope
}

export interface Decision {
  /** True if every limit admits the request. */
  allowed: boolean
  /** One a limit, in the order given; `remaining` counts the request itself if it was admitted. */
  statuses: readonly LimitStatus[]
  /** If refused, the limit with the longest wait, else the one with the least remaining; undefined: there are no limits. */
  tightest: LimitStatus | undefined
}

export interface Limiter {
  /**
   * Evaluates all limits in one atomic step: uses one of each, or none of any. Concurrent calls, from any number
   * of processes that share the store, never admit more than the limits allow. Rejects with `store_unavailable`
   * within the store's deadline; a request that is then refused may have used its share.
   */
  decide(limits: readonly Limit[], subject: Subject): Promise<Decision>
  /** The same response for a request that is only thought of; uses none. */
  peek(limits: readonly Limit[], subject: Subject): Promise<Decision>
}

export function decision(statuses: readonly LimitStatus[]): Decision {
  let tightest: LimitStatus | undefined
  for (const status of statuses) if (tightest === undefined || isTighter(status, tightest)) tightest = status
  return { allowed: tightest?.allowed ?? true, statuses, tightest }
}

function isTighter(one: LimitStatus, other: LimitStatus): boolean {
  if (one.allowed !== other.allowed) return other.allowed
  return one.allowed ? one.remaining < other.remaining : one.retryAfterMs > other.retryAfterMs
}

/**
 * The name of the state of a limit for a subject. Window and algorithm are in it: other limits begin afresh. The subject
 * comes last and a client has no colon, so that names are unique.
 */
export function stateKey(limit: Limit, subject: Subject): string {
  return `${subject.group}:${limit.scope}:${limit.windowMs}:${limit.algorithm}:${counted(limit.scope, subject)}`
}

function counted(scope: Scope, subject: Subject): string {
  switch (scope) {
    case 'global':
      return ''
    case 'client':
      return subject.client
    case 'ip':
      return subject.ip
    case 'endpoint':
      return `${subject.client}:${subject.route}`
  }
}
