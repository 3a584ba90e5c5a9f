import { setTimeout as sleep } from 'node:timers/promises'
import type { SendKind } from './history.ts'
import { lookupsEveryMs } from './partner-pace.ts'
import { GREEDY, PROBE, type RunPlan } from './run-plan.ts'
import type { WorkItem, WorkItems } from './work-items.ts'

/** What a partner has for it. */
export interface LimitTraffic {
  plan: RunPlan
  items: WorkItems
  random: () => number
  isStopping: () => boolean
  ask: (item: WorkItem, kind: SendKind, node: number) => Promise<unknown>
}

/** More than the limit, at once and everywhere. */
export async function bursts({ plan, items, random, isStopping, ask }: LimitTraffic): Promise<void> {
  const count = Math.ceil((plan.limit?.quota ?? 0) * 1.4)
  const item = items.lookups(GREEDY)
  while (!isStopping()) {
    await sleep(lookupsEveryMs(plan.rate) * (0.7 + random() * 0.6))
    if (isStopping()) return
    await Promise.all(Array.from({ length: count }, (_, n) => ask(item, 'burst', n)))
  }
}

/** A client that is never near its limit, and others who would use it up in its name. */
export async function probes({ plan, items, random, isStopping, ask }: LimitTraffic): Promise<void> {
  const windowMs = plan.limit?.windowMs ?? 0
  const item = items.lookups(PROBE)
  const forged = { ...item, identity: { ...item.identity, secret: 'another secret' } }
  while (!isStopping()) {
    await sleep(windowMs * (1.2 + random()))
    await Promise.all([0, 1, 2].map((n) => ask(forged, 'forged', n)))
    await ask(item, 'probe', Math.floor(random() * plan.nodes))
  }
}
