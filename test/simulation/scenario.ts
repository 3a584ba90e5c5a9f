import { seeded } from '../../src/tools/simulator/seeded.ts'
import { FAULTS, type Fault, type Plan } from './failpoints.ts'
import { isOfService, isOrders, type Mode, mayLoseKeys, type Request } from './node.ts'

/** One request of a partner, with its retries. */
export interface PlannedRequest {
  /** After the one before, or after the start. */
  afterMs: number
  request: Request
  /** Which node first; a retry goes to the next one. */
  node: number
  attempts: number
  /** So long a partner waits for a response before it tries again. */
  patienceMs: number
  /** Between two attempts, where the response does not ask for more. */
  backoffMs: number
}

export interface Scenario {
  mode: Mode
  seed: string
  nodes: number
  /** How far the clocks of the nodes are off. */
  skewsMs: readonly number[]
  partners: readonly (readonly PlannedRequest[])[]
  /** Until the partners are done; from then on nothing fails. */
  plan: Plan
  /** How often each node looks for payments that were left open. */
  completerEveryMs: number
  /** Whether the keys are asked for again when their records have been forgotten. */
  isNextDayChecked: boolean
}

const KEYS = ['key-0000-0000-0001', 'key-0000-0000-0002', 'key-0000-0000-0003']

/** The same body for the same variant. */
export function bodyOf(mode: Mode, variant: number): string {
  if (mode === 'payments') {
    const method = variant === 1 ? 'tok_declined' : 'tok_visa_4242'
    return `{"amount":"${10 + variant}.5","currency":"EUR","payment_method":"${method}"}`
  }
  return `{"user_id":"user-1","item":"book","amount":${10 + variant}.5}`
}

const BROKEN = '{"user_id":"user-1","item":"book","amount":-1}'

/** What the sidecar's store promises ends with its data: no more can be promised over a store that forgets. */
function faultsOf(mode: Mode): Fault[] {
  return FAULTS.filter((fault) => fault !== 'none' && (mayLoseKeys(mode) || !fault.startsWith('flush')))
}

/** A partner, its retry while the first is in flight, and a competitor with another body. */
export function smallScenario(mode: Mode, plan: Plan): Scenario {
  const planned = (afterMs: number, variant: number, node: number): PlannedRequest => ({
    afterMs,
    node,
    attempts: 3,
    patienceMs: 4_000,
    backoffMs: 700,
    request: { client: 'acme', key: KEYS[0] ?? '', body: bodyOf(mode, variant) },
  })
  return {
    mode,
    seed: 'small',
    nodes: 2,
    skewsMs: [0, 90_000],
    plan,
    isNextDayChecked: false,
    // Less often, so that its calls do not outnumber all others.
    completerEveryMs: 3_000,
    partners: [[planned(0, 0, 0)], [planned(12, 0, 1)], [planned(6, 2, 1)]],
  }
}

/** Every fault that makes sense in a mode. */
export function kindsOf(mode: Mode): readonly Fault[] {
  return faultsOf(mode)
}

/** Anything: by the seed alone. */
export function randomScenario(mode: Mode, seed: string): Scenario {
  const random = seeded(`${mode}/${seed}`)
  const below = (n: number) => Math.floor(random() * n)
  const nodes = 1 + below(3)
  const keys = KEYS.slice(0, 1 + below(KEYS.length))
  const patienceMs = [300, 1_500, 5_000, 30_000][below(4)] ?? 5_000
  const planned = (): PlannedRequest => {
    const variant = random() < 0.75 ? 0 : 1 + below(2)
    const isBroken = isOrders(mode) && random() < 0.05
    return {
      afterMs: random() < 0.5 ? below(10) : below(3_000),
      request: {
        client: random() < 0.8 ? 'acme' : 'globex',
        key: keys[below(keys.length)] ?? '',
        body: isBroken ? BROKEN : bodyOf(mode, variant),
      },
      node: below(nodes),
      attempts: 1 + below(5),
      patienceMs,
      backoffMs: 20 + below(1_500),
    }
  }
  const partners = Array.from({ length: 1 + below(4) }, () => Array.from({ length: 1 + below(3) }, planned))
  const rate = [0, 0.03, 0.1, 0.2, 0.4][below(5)] ?? 0
  const kinds = faultsOf(mode).filter(() => random() < 0.6)
  const chance = seeded(`${mode}/${seed}/plan`)
  return {
    mode,
    seed,
    nodes,
    partners,
    skewsMs: Array.from({ length: nodes }, () => (random() < 0.5 ? 0 : below(1_200_000) - 600_000)),
    plan: () => (chance() < rate ? (kinds[Math.floor(chance() * kinds.length)] ?? 'none') : 'none'),
    completerEveryMs: 1_000,
    isNextDayChecked: isOfService(mode) && random() < 0.1,
  }
}
