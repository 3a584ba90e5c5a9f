import type { Evidence } from './evidence.ts'
import { hasCharges } from './fault-kinds.ts'
import type { Violation } from './invariants.ts'

const SETTLED = new Set(['payment.completed', 'payment.declined', 'payment.recovered'])

interface Trail {
  attempted: number
  settled: number
  abandoned: number
}

/** Invariant 10: each payment has its beginning and its end in the trail once, and the trail has nothing else. */
export function checkAudit({ plan, rows }: Evidence): Violation[] {
  if (!hasCharges(plan.mode)) return []
  const found: Violation[] = []
  const trails = new Map<string, Trail>()
  for (const { client, event, transaction } of rows.audit) {
    if (transaction === null) continue
    const name = `${client} ${transaction}`
    const trail = trails.get(name) ?? { attempted: 0, settled: 0, abandoned: 0 }
    trails.set(name, trail)
    if (event === 'payment.attempted') trail.attempted++
    if (event === 'payment.abandoned') trail.abandoned++
    if (SETTLED.has(event)) trail.settled++
  }
  for (const { client, id, state } of rows.payments) {
    const name = `${client} ${id}`
    const trail = trails.get(name)
    trails.delete(name)
    const settled = state === 'completed' || state === 'declined' ? 1 : 0
    if (trail === undefined || trail.attempted === 0)
      found.push({ invariant: 10, what: `${name} has no beginning` })
    else if (trail.settled !== settled) {
      found.push({
        invariant: 10,
        what: `${name} is ${state}, and the trail has ${trail.settled} outcomes of it`,
      })
    } else if (trail.abandoned > 0) found.push({ invariant: 10, what: `${name} is there, and was abandoned` })
  }
  for (const [name, { settled, abandoned }] of trails) {
    if (settled > 0 || abandoned !== 1) {
      found.push({ invariant: 10, what: `${name} is in the trail, and there is no such payment` })
    }
  }
  if (rows.auditFault !== '') found.push({ invariant: 10, what: `the chain is broken: ${rows.auditFault}` })
  return found
}
