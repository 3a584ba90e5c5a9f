import { setTimeout as sleep } from 'node:timers/promises'
import type { Faults } from '../../src/faults/faults.ts'
import { seeded } from '../../src/simulator/seeded.ts'
import type { Behaviour } from '../support/counting-gateway.ts'
import type { FaultKind } from './fault-kinds.ts'
import { type Inject, listenAgain, needed, struck } from './hands.ts'
import type { PlannedFault } from './schedule.ts'

const NONE = {}
const UNDER_WAY = 4
const COPIES = 100
/** Not every charge: five in a row would only open the circuit. */
const SHARE = 0.6

const gateway =
  (behaviour: Behaviour): Inject =>
  async (fault, hands) => {
    const far = needed(hands.stage.gateway, 'gateway')
    const usual = far.mood
    const random = seeded(`${fault.n}/${fault.roll}`)
    let count = 0
    far.mood = () => {
      if (random() >= SHARE) return usual()
      count++
      return behaviour
    }
    await hands.event('fire', { node: fault.node, count: UNDER_WAY })
    await sleep(fault.forMs)
    far.mood = usual
    return { hit: count > 0, detail: `${count} charges` }
  }

const backend =
  (faultsOf: (fault: PlannedFault) => Faults): Inject =>
  async (fault, hands) => {
    const wire = needed(hands.stage.behind, 'backend')
    const count = () => struck([wire], 'cut', 'reset', 'blackhole')
    const before = count()
    const faults = faultsOf(fault)
    wire.set(faults)
    wire.apply(faults)
    await hands.event('fire', { node: fault.node, count: UNDER_WAY })
    await sleep(fault.forMs)
    wire.set(NONE)
    wire.apply(NONE)
    const met = count() - before
    return { hit: met > 0, detail: `${met} connections` }
  }

const backendRefuse: Inject = async (fault, hands) => {
  const wire = needed(hands.stage.behind, 'backend')
  const before = wire.stats().open
  wire.stopListening()
  wire.cutAll('close')
  await hands.event('fire', { node: fault.node, count: UNDER_WAY })
  await sleep(fault.forMs)
  await listenAgain(wire)
  return { hit: true, detail: `${before} connections were closed, and no new one was taken` }
}

/** What a partner does. */
const partner =
  (name: 'client-leaves' | 'half-body' | 'copies' | 'after-ttl' | 'never-ends', count: number): Inject =>
  (_, hands) =>
    hands.event(name, { count })

export const FAR_FAULTS = {
  'gateway-stall': gateway('stall'),
  'gateway-reset': gateway('reset'),
  'gateway-late': gateway('late'),
  'gateway-truncate': gateway('truncated'),
  'gateway-drop': gateway('drop'),
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
