import { z } from 'zod'
import { FAULT_KINDS, isFaultKind } from './fault-kinds.ts'

const faultKind = z.string().refine(isFaultKind, { error: `one of ${FAULT_KINDS.join(', ')}` })

/** A fault as it happened; times as in the history. */
const faultDone = z.strictObject({
  n: z.number().int(),
  kind: faultKind,
  node: z.number().int(),
  beganAt: z.number(),
  /** When it was undone. */
  endedAt: z.number(),
  hit: z.boolean(),
  detail: z.string(),
  sigterm: z.strictObject({ at: z.number(), arrivedAt: z.number(), inTime: z.boolean() }).optional(),
})
export type FaultDone = z.infer<typeof faultDone>

/** What the run itself has seen, beside what the partners write down. */
export const outcome = z.strictObject({
  /** Of the product, for the report. */
  commit: z.string(),
  startedOn: z.string(),
  startedAt: z.number(),
  /** All faults were undone. */
  healedAt: z.number(),
  endedAt: z.number(),
  faults: z.array(faultDone),
  /** Planned, but the run was over before their turn came. */
  faultsLeftOut: z.number().int(),
  /** When a node told that it counts the limits by itself, until it told that it does no more. */
  limiterOutages: z.array(z.strictObject({ from: z.number(), to: z.number() })),
  /** Nodes that ended by themselves. */
  crashes: z.array(z.string()),
  /** Keys that had no end after the sweep. */
  open: z.number().int(),
})
export type Outcome = z.infer<typeof outcome>

const text = z.string()
/** What PostgreSQL holds in the end, read without the service. */
export const rows = z.strictObject({
  orders: z.array(
    z.strictObject({
      client: text,
      key: text,
      id: text,
      user_id: text,
      item: text,
      amount: z.number(),
      status: z.number(),
      sha: text,
    }),
  ),
  payments: z.array(
    z.strictObject({
      client: text,
      key: text,
      id: text,
      state: text,
      amount: z.number(),
      gateway_key: text,
      charge_id: text.nullable(),
      status: z.number().nullable(),
      sha: text.nullable(),
    }),
  ),
  audit: z.array(z.strictObject({ client: text, event: text, transaction: text.nullable() })),
  /** What `oncekey audit verify` says of the chains; '' where it has nothing to say against them. */
  auditFault: text,
})
export type Rows = z.infer<typeof rows>

/** A line of what the gateway or the backend has done. */
export interface Done {
  key: string
  /** SHA-256 of the response to it, where that can be told. */
  sha: string | undefined
  /** When the backend did it, Unix ms; undefined for charges. */
  at?: number
  /** The gateway's name for a charge. */
  charge: string
  status: string
}
