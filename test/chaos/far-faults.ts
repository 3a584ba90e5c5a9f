import { setTimeout as sleep } from 'node:timers/promises'
import type { Faults } from '../../src/tools/faults/faults.ts'
import { seeded } from '../../src/tools/simulator/seeded.ts'
import type { Behaviour } from '../support/counting-gateway.ts'
import { type Inject, listenAgain, loseOneWay, needed, struck } from './fault-context.ts'
import type { FaultKind } from './fault-kinds.ts'
import type { PlannedFault } from './schedule.ts'

const NONE = {}
const IN_FLIGHT = 4
const COPIES = 100
/** Not every charge: five in a row would only open the circuit. */
export const SHARE = 0.6

const gateway =
  (behaviour: Behaviour): Inject =>
  async (fault, faultContext) => {
    const far = needed(faultContext.installation.gateway, 'gateway')
    const usual = far.mood
    const random = seeded(`${fault.n}/${fault.roll}`)
    let count = 0
    far.mood = () => {
      if (random() >= SHARE) return usual()
      count++
      return behaviour
    }
    // Of events every second one is about a payment.
    const each = faultContext.installation.plan.mode === 'events' ? 2 : 1
    await faultContext.event('fire', { node: fault.node, count: each * IN_FLIGHT })
    await sleep(fault.forMs)
    far.mood = usual
    return { hit: count > 0, detail: `${count} charges` }
  }

const backend =
  (faultsOf: (fault: PlannedFault) => Faults): Inject =>
  async (fault, faultContext) => {
    const wire = needed(faultContext.installation.behind, 'backend')
    const count = () => struck([wire], 'cut', 'reset', 'blackhole')
    const before = count()
    const faults = faultsOf(fault)
    wire.set(faults)
    wire.apply(faults)
    await faultContext.event('fire', { node: fault.node, count: IN_FLIGHT })
    await sleep(fault.forMs)
    wire.set(NONE)
    wire.apply(NONE)
    const met = count() - before
    return { hit: met > 0, detail: `${met} connections` }
  }

const backendRefuse: Inject = async (fault, faultContext) => {
  const wire = needed(faultContext.installation.behind, 'backend')
  const before = wire.stats().open
  wire.stopListening()
  wire.cutAll('close')
  await faultContext.event('fire', { node: fault.node, count: IN_FLIGHT })
  await sleep(fault.forMs)
  await listenAgain(wire)
  return { hit: true, detail: `${before} connections were closed, and no new one was taken` }
}

const oneWay: Inject = (fault, faultContext) =>
  loseOneWay([needed(faultContext.installation.behind, 'far side')], fault, faultContext, IN_FLIGHT)

const KILL_EVERY_MS = 100

/** Before the first byte of the request, within it, or while the backend works on it. */
const backendKill: Inject = async (fault, faultContext) => {
  const wire = needed(faultContext.installation.behind, 'backend')
  const count = () => struck([wire], 'cut', 'reset')
  const before = count()
  const within = {
    cut: {
      directions: 'up',
      afterBytes: fault.roll < 0.33 ? 0 : Math.round(40 + fault.roll * 200),
      reset: true,
    },
  } as const
  if (fault.roll < 0.66) {
    wire.set(within)
    wire.apply(within)
  }
  await faultContext.event('fire', { node: fault.node, count: IN_FLIGHT })
  const untilMs = performance.now() + fault.forMs
  while (performance.now() < untilMs) {
    await sleep(KILL_EVERY_MS)
    if (fault.roll >= 0.66) wire.cutAll('reset')
  }
  wire.set(NONE)
  wire.apply(NONE)
  const killed = count() - before
  return { hit: killed > 0, detail: `${killed} connections` }
}

/** What a partner does. */
const partner =
  (name: 'client-leaves' | 'half-body' | 'copies' | 'after-ttl' | 'never-ends', count: number): Inject =>
  (_, faultContext) =>
    faultContext.event(name, { count })

export const FAR_FAULTS = {
  'gateway-stall': gateway('stall'),
  'gateway-reset': gateway('reset'),
  'gateway-late': gateway('late'),
  'gateway-truncate': gateway('truncated'),
  'gateway-drop': gateway('drop'),
  'gateway-one-way': oneWay,
  'backend-one-way': oneWay,
  'backend-kill': backendKill,
  'backend-stall': backend(() => ({ blackhole: { directions: 'down', afterBytes: 0 } })),
  'backend-reset': backend(() => ({ cut: { directions: 'down', afterBytes: 0, reset: true } })),
  'backend-truncate': backend(({ roll }) => ({
    cut: { directions: 'down', afterBytes: Math.round(100 + roll * 160), reset: roll < 0.5 },
  })),
  'backend-refuse': backendRefuse,
  'client-leaves': partner('client-leaves', 3),
  'half-body': partner('half-body', 3),
  copies: partner('copies', COPIES),
  'after-ttl': partner('after-ttl', 1),
  'never-ends': partner('never-ends', 1),
} as const satisfies Partial<Record<FaultKind, Inject>>
