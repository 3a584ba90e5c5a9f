import type { Request, Served } from './node.ts'
import type { Actor } from './virtual-time.ts'

/** One request that a partner sent, and what it saw of it. */
export interface Attempt {
  n: number
  partner: string
  request: Request
  sentMs: number
  /** Which life of which node took it; undefined: it never arrived. */
  node: Actor | undefined
  servedFromMs: number | undefined
  /** When the node had its response, or died. */
  servedToMs: number | undefined
  /** The response of the node; the partner need not have seen it. */
  served: Served | undefined
  /** When the partner had the response, or gave up. */
  endedMs: number | undefined
  /** What the partner saw; undefined: nothing. */
  seen: Served | undefined
}

/** A response that no retry may change. */
export function isFinal({ status, problem }: Served): boolean {
  return (status >= 200 && status < 300) || (status === 402 && problem === undefined)
}

/** Whether a partner stops trying. */
export function isOver(response: Served): boolean {
  if (isFinal(response)) return true
  const code = response.problem?.code
  return response.status === 422 || code === 'idempotency_key_reused' || code === 'outcome_unknown'
}
