import { seeded } from '../../src/tools/simulator/seeded.ts'
import {
  applies,
  FAULT_KINDS,
  type FaultKind,
  type FaultSite,
  infoOf,
  type Mode,
  type Store,
} from './fault-kinds.ts'

/** A fault as it is planned: nothing of it depends on how the run goes. */
export interface PlannedFault {
  n: number
  kind: FaultKind
  /** From the start of the run. */
  atMs: number
  forMs: number
  /** Which node, where it strikes one. */
  node: number
  /** 0 to less than 1, for what the kind has to choose. */
  roll: number
}

export interface ScheduleOptions {
  seed: string
  durationMs: number
  mode: Mode
  store: Store
  /** Only these; all that apply if left out. */
  faults?: readonly FaultKind[] | undefined
  /** On average one fault in this time. */
  everyMs: number
  nodes: number
}

/** The load comes first, and has the end for itself. */
const LEAD_MS = 2_000
const TAIL_MS = 1_500

/** In every deck but the first, of what costs no start of a process: starting is most of the work of a run. */
const CARDS_OF_CHEAP = 3
const COSTLY: ReadonlySet<FaultKind> = new Set([
  ...([
    'kill',
    'kill-before-commit',
    'kill-after-commit',
    'kill-while-sending',
    'kill-after-sending',
    'rolling-restart',
    'copies',
  ] as const),
])

/** A store is well for so long between two faults at least, or no request succeeds and no node can start. */
const REST_MS: Partial<Record<FaultSite, number>> = {
  redis: 2_000,
  postgres: 2_500,
  'redis wire': 1_000,
  'postgres wire': 1_000,
  'far side': 500,
  receivers: 300,
}

export function restMs(kind: FaultKind): number {
  return REST_MS[infoOf(kind).place] ?? 0
}

/**
 * The same seed and options, the same schedule. The kinds are dealt like cards: each comes once before any comes
 * again, so that also a short run has them all.
 */
export function schedule(options: ScheduleOptions): PlannedFault[] {
  const { seed, durationMs, mode, store, everyMs, nodes } = options
  const random = seeded(`${seed}/schedule/${mode}/${store}`)
  const kinds = (options.faults ?? FAULT_KINDS).filter((kind) => applies(kind, mode, store))
  const planned: PlannedFault[] = []
  if (kinds.length === 0) return planned
  let struckNodes = 0
  const busyUntilMs = new Map<FaultSite, number>()
  let deck = shuffled(kinds, random)
  const more = kinds.flatMap((kind) =>
    Array.from({ length: COSTLY.has(kind) ? 1 : CARDS_OF_CHEAP }, () => kind),
  )
  for (let atMs = LEAD_MS; atMs < durationMs - TAIL_MS; atMs += everyMs * (0.5 + random())) {
    if (deck.length === 0) deck = shuffled(more, random)
    const next = deck.findLastIndex((one) => atMs >= (busyUntilMs.get(infoOf(one).place) ?? 0))
    const [kind] = next < 0 ? [] : deck.splice(next, 1)
    if (kind === undefined) continue
    const { place, lastsMs } = infoOf(kind)
    const [shortest, longest] = lastsMs
    const forMs = Math.round(shortest + random() * (longest - shortest))
    busyUntilMs.set(place, atMs + forMs + restMs(kind))
    planned.push({
      n: planned.length,
      kind,
      atMs: Math.round(atMs),
      forMs,
      // In turn: a node that is being started cannot be struck.
      node: infoOf(kind).place === 'node' ? struckNodes++ % nodes : Math.floor(random() * nodes),
      roll: random(),
    })
  }
  return planned
}

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const all = [...values]
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const [one, other] = [all[i], all[j]]
    if (one !== undefined && other !== undefined) [all[i], all[j]] = [other, one]
  }
  return all
}
