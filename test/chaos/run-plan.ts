import { z } from 'zod'
import { seeded } from '../../src/tools/simulator/seeded.ts'
import { hasCharges, MODES, type Mode, STORES } from './fault-kinds.ts'

/** Everything about a run that partners and checker must know; written beside the history. */
export const runPlan = z.strictObject({
  seed: z.string(),
  mode: z.enum(MODES),
  store: z.enum(STORES),
  durationMs: z.number(),
  /** New keys a second, of all partners together. */
  rate: z.number(),
  nodes: z.number().int(),
  partners: z.number().int(),
  leaseMs: z.number(),
  ttlMs: z.number(),
  /** Each client's requests in a window; null: there is no limit. */
  limit: z.strictObject({ quota: z.number().int(), windowMs: z.number() }).nullable(),
  /** How long after a request that was cut off something of it may still hold its key; for payments their own lease. */
  holdMs: z.number(),
  /** The longest that any request may take while its node runs. */
  deadlineMs: z.number(),
  clients: z.array(z.strictObject({ name: z.string(), secret: z.string(), bearer: z.boolean() })),
  /** Whole payment methods begin with it, and nothing may show it. */
  methodCanary: z.string(),
})
export type RunPlan = z.infer<typeof runPlan>

export const LEASE_MS = 2_000
/** After SIGTERM, for what is in flight. */
export const GRACE_MS = 6_000
/** A request that was written down so long ago has left its partner, also on a busy machine. */
export const ARRIVAL_MS = 1_000
/** Short, so that retries after it really happen. */
const TTL_MS = 5_000
/** Longer than the sidecar gives a backend. */
const PROXY_TTL_MS = 8_000
export const GATEWAY_TIMEOUT_MS = 1_000
/** See settleMsOf(): 2 s to leave, the timeout, 3 s to show. */
const PAYMENT_HOLD_MS = 6_000
/** What the sidecar gives a backend. */
export const MAX_DURATION_MS = 4_000

/**
 * The deadlines of the steps of a request, one after the other: Redis 1 s for the limit and twice for a verb, PostgreSQL
 * 2.5 s twice for each of claim, order and record; for payments the gateway and three questions more. Twice that, since
 * a machine that is busy with six runs is late itself.
 */
const DEADLINES_MS: Record<Mode, number> = {
  orders: 40_000,
  payments: 60_000,
  proxy: 50_000,
  events: 60_000,
}

/** Of a window of two seconds; no client with its share of the keys is slowed down by it. */
const QUOTA = 120
const FIRST_CLIENTS = ['ann', 'ben', 'cho'] as const
/** A client at a higher rate does what it does at this one, and there are more clients. */
const KEYS_OF_CLIENT = 5

/** Clients that are not among the usual partners. */
export const HERD = 'herd'
export const GREEDY = 'greedy'
export const PROBE = 'probe'

/** What the sidecar has forgotten it runs again, so that half of its runs keep all of their responses. */
function usualTtlMs(mode: Mode, seed: string): number {
  if (mode !== 'proxy') return TTL_MS
  return seeded(`${seed}/ttl`)() < 0.5 ? 86_400_000 : PROXY_TTL_MS
}

/** Of the limit: short, so that many windows lie in a run. */
const WINDOW_MS = 2_000

export interface PlanOptions extends Pick<RunPlan, 'seed' | 'mode' | 'store' | 'durationMs' | 'rate'> {
  nodes: number
  partners: number
  /** In place of the usual one. */
  ttlMs: number | undefined
  windowMs?: number | undefined
  /** Makes a secret of its own. */
  newSecret: () => string
}

export function planRun({ newSecret, ttlMs, windowMs = WINDOW_MS, ...given }: PlanOptions): RunPlan {
  const { mode, seed } = given
  const more = Math.max(0, Math.ceil(given.rate / KEYS_OF_CLIENT) - FIRST_CLIENTS.length)
  const names = [
    ...FIRST_CLIENTS,
    ...Array.from({ length: more }, (_, n) => `more-${n}`),
    HERD,
    GREEDY,
    PROBE,
  ]
  return {
    ...given,
    leaseMs: LEASE_MS,
    ttlMs: ttlMs ?? usualTtlMs(mode, seed),
    limit: mode === 'proxy' ? null : { quota: QUOTA, windowMs },
    holdMs: LEASE_MS + (hasCharges(mode) ? PAYMENT_HOLD_MS : mode === 'proxy' ? MAX_DURATION_MS : 0),
    deadlineMs: DEADLINES_MS[mode],
    clients: [
      ...names.map((name) => ({ name, secret: newSecret(), bearer: false })),
      ...(mode === 'payments' ? [{ name: 'dee', secret: newSecret(), bearer: true }] : []),
    ],
    methodCanary: `pm-${newSecret()}`,
  }
}
