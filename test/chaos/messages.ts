import { z } from 'zod'
import { runPlan } from './run-plan.ts'

/** What a partner is asked to do beside its usual load. */
export const EVENTS = [
  'fire',
  'crowd',
  'client-leaves',
  'half-body',
  'copies',
  'after-ttl',
  'never-ends',
] as const

export const toPartner = z.discriminatedUnion('do', [
  z.strictObject({
    do: z.literal('start'),
    plan: runPlan,
    index: z.number().int(),
    urls: z.array(z.string()),
    file: z.string(),
  }),
  /** `count` new requests, first at `node`; resolves when `done` comes: they have been sent, or have ended. */
  z.strictObject({
    do: z.literal('event'),
    n: z.number().int(),
    event: z.enum(EVENTS),
    node: z.number().int(),
    count: z.number().int(),
  }),
  /** Nothing new; `stopped` when all keys have come to an end, or patience has. */
  z.strictObject({ do: z.literal('stop') }),
  /** All keys once more; `swept` after that. */
  z.strictObject({ do: z.literal('sweep') }),
])
export type ToPartner = z.infer<typeof toPartner>

export const fromPartner = z.discriminatedUnion('said', [
  z.strictObject({ said: z.literal('ready') }),
  z.strictObject({
    said: z.literal('done'),
    n: z.number().int(),
    hit: z.boolean(),
    detail: z.string(),
  }),
  z.strictObject({ said: z.literal('tally'), sent: z.number(), ended: z.number(), lost: z.number() }),
  z.strictObject({ said: z.literal('stopped'), open: z.number().int() }),
  z.strictObject({ said: z.literal('swept'), open: z.number().int() }),
])
export type FromPartner = z.infer<typeof fromPartner>
