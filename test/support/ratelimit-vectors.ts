import { readFileSync } from 'node:fs'
import { z } from 'zod'

const step = z.tuple([z.number(), z.enum(['allowed', 'refused']), z.number(), z.number(), z.number()])
const table = z.object({
  about: z.string(),
  vectors: z.array(z.object({ name: z.string(), limit: z.string(), steps: z.array(step).min(1) })).min(1),
})

/** The published table of decisions: [now, decision, remaining, retryAfterMs, resetAtMs] for each step. */
export const { vectors } = table.parse(
  JSON.parse(readFileSync(new URL('../vectors/ratelimit-vectors.json', import.meta.url), 'utf8')),
)
