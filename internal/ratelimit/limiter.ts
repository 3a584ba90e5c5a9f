import type { Standing } from './algorithms.ts'
import type { Limit, Scope } from './rate-limits.ts'

/** What a request is counted for. Every value is verified: nothing is taken unchecked from the request. */
export interface Subject {
  /** The authenticated client: `[A-Za-z0-9._-]{1,64}`. */
  client: string
  ip: string
  /** The pattern of the route, not the path as sent, e.g. `POST /orders`. */
  route: string
  /** The name of the rule set (`orders`, `pay`, `v1`, or `all` if one set replaces them). Sets share no quota. */
  group: string
}

export interface LimitStatus extends Standing {
  name: string
  scope: Scope
}

export interface Decision {
  /** True if every limit admits the request. */
  allowed: boolean
  /** One for each limit, in the given order. `remaining` already counts this request if it was admitted. */
  statuses: readonly LimitStatus[]
  /** If refused, the limit with the longest wait; otherwise the one with the least remaining. Undefined without limits. */
  tightest: LimitStatus | undefined
}

export interface Limiter {
  /**
   * Evaluates all limits in one atomic step: uses one of each limit, or none at all. Concurrent calls, from any number of
   * processes with the same store, never admit more than the limits allow. Rejects with `store_unavailable` within the
   * deadline of the store; such a request may have used one of each limit.
   */
  decide(limits: readonly Limit[], subject: Subject): Promise<Decision>
  /** The decision that `decide` would make now, without using the limits. */
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
 * The key of the state of a limit for a subject. It includes window and algorithm, so that a changed limit starts with a
 * fresh state. The subject comes last and a client has no colon, so keys are unique.
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
