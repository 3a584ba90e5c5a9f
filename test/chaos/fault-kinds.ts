import { EVENT_FAULT_KINDS } from './event-fault-kinds.ts'
import type { Means } from './means.ts'

export const MODES = ['orders', 'payments', 'proxy', 'events'] as const
export type Mode = (typeof MODES)[number]
export const STORES = ['redis', 'postgres'] as const
export type Store = (typeof STORES)[number]

/** Where a fault strikes. Two faults at one place follow each other; everything else overlaps. */
export type FaultSite =
  | 'node'
  | 'nodes'
  | 'redis'
  | 'redis wire'
  | 'postgres'
  | 'postgres wire'
  | 'far side'
  | 'partners'
  | 'receivers'
  | 'late commits'

export interface FaultKindInfo {
  place: FaultSite
  /** For the report. */
  what: string
  /** The shortest and the longest, ms; of what only happens at a moment both are 0. */
  lastsMs: readonly [number, number]
  modes: readonly Mode[]
  /** Without it the fault cannot be made. */
  needs?: Means
}

const SERVICE = ['orders', 'payments', 'events'] as const
/** What is about requests and their keys is tried without events. */
const REQUESTS = ['orders', 'payments', 'proxy'] as const
const KEYS_ALONE = ['orders', 'payments'] as const
const WITH_CHARGES = ['payments', 'events'] as const
const ALL = MODES

/** There is a gateway that charges. */
export function hasCharges(mode: Mode): boolean {
  return WITH_CHARGES.some((one) => one === mode)
}

/** The rows of the fault table in docs/faults.md, as they can strike one after the other and at once. */
export const FAULTS = {
  kill: { place: 'node', what: 'kill -9 of a node under load', lastsMs: [100, 500], modes: ALL },
  'kill-before-commit': {
    place: 'node',
    what: 'kill -9 while the INSERT is on its way to PostgreSQL',
    lastsMs: [100, 400],
    modes: SERVICE,
  },
  'kill-after-commit': {
    place: 'node',
    what: 'kill -9 after COMMIT, before anybody is told',
    lastsMs: [100, 400],
    modes: SERVICE,
  },
  stall: {
    place: 'node',
    what: 'SIGSTOP of a node for longer than its lease',
    lastsMs: [2_500, 4_000],
    modes: ALL,
  },
  'clock-skew': {
    place: 'node',
    what: 'the clock of a node is minutes off',
    lastsMs: [1_500, 4_000],
    modes: ALL,
  },
  'rolling-restart': {
    place: 'nodes',
    what: 'SIGTERM and start, one node after the other',
    lastsMs: [0, 0],
    modes: ALL,
  },
  sigterm: {
    place: 'node',
    what: 'SIGTERM of a node with hundreds of requests in flight',
    lastsMs: [100, 400],
    modes: ALL,
  },
  'other-version': {
    place: 'node',
    what: 'a node goes on as another version of the service',
    lastsMs: [0, 0],
    modes: REQUESTS,
    needs: 'other version',
  },
  'redis-flush': { place: 'redis', what: 'FLUSHALL', lastsMs: [0, 0], modes: SERVICE },
  'redis-restart': {
    place: 'redis',
    what: 'Redis killed and started again',
    lastsMs: [100, 800],
    modes: ALL,
  },
  'redis-evict': { place: 'redis', what: 'Redis evicts keys', lastsMs: [300, 1_000], modes: KEYS_ALONE },
  'redis-pause': { place: 'redis', what: 'Redis hangs (CLIENT PAUSE)', lastsMs: [800, 2_000], modes: ALL },
  'redis-oom': { place: 'redis', what: 'Redis refuses writes (OOM)', lastsMs: [300, 1_200], modes: REQUESTS },
  'redis-readonly': { place: 'redis', what: 'Redis is READONLY', lastsMs: [300, 1_200], modes: REQUESTS },
  'redis-role': {
    place: 'redis',
    what: 'the user of Redis may only read',
    lastsMs: [300, 1_200],
    modes: REQUESTS,
  },
  'redis-no-connections': {
    place: 'redis',
    what: 'Redis has no connection left (maxclients)',
    lastsMs: [300, 1_200],
    modes: REQUESTS,
  },
  'redis-clock': {
    place: 'redis',
    what: 'the clock of Redis steps, and steps back',
    lastsMs: [1_500, 3_000],
    modes: REQUESTS,
    needs: 'libfaketime',
  },
  'redis-one-way': {
    place: 'redis wire',
    what: 'one direction to or from Redis is lost, and comes late',
    lastsMs: [800, 2_500],
    modes: REQUESTS,
  },
  'redis-reply-lost': {
    place: 'redis wire',
    what: 'Redis executes, its replies are lost',
    lastsMs: [800, 2_500],
    modes: REQUESTS,
  },
  'postgres-terminate': {
    place: 'postgres',
    what: 'pg_terminate_backend of all',
    lastsMs: [0, 0],
    modes: ALL,
  },
  'postgres-restart': { place: 'postgres', what: 'PostgreSQL restarts', lastsMs: [0, 0], modes: ALL },
  'postgres-kill': {
    place: 'postgres',
    what: 'kill -9 of the whole PostgreSQL, with fsync on',
    lastsMs: [100, 500],
    modes: ALL,
  },
  'postgres-disk-full': {
    place: 'postgres',
    what: 'the disk of PostgreSQL is full, and has room again',
    lastsMs: [1_000, 2_000],
    modes: ALL,
    needs: 'small disk',
  },
  'postgres-role': {
    place: 'postgres',
    what: 'the role of the service may only read',
    lastsMs: [400, 1_500],
    modes: ALL,
  },
  'postgres-no-connections': {
    place: 'postgres',
    what: 'others use all connections of PostgreSQL',
    lastsMs: [400, 1_500],
    modes: ALL,
  },
  'postgres-locked': { place: 'postgres', what: 'a table is locked', lastsMs: [2_000, 4_500], modes: ALL },
  'postgres-clock': {
    place: 'postgres',
    what: 'the clock of PostgreSQL steps both ways',
    lastsMs: [1_500, 3_000],
    modes: REQUESTS,
    needs: 'libfaketime',
  },
  'postgres-one-way': {
    place: 'postgres wire',
    what: 'one direction to or from PostgreSQL is lost, and comes late',
    lastsMs: [800, 2_800],
    modes: ALL,
  },
  'postgres-refuse': {
    place: 'postgres wire',
    what: 'PostgreSQL refuses connections',
    lastsMs: [400, 1_500],
    modes: ALL,
  },
  'postgres-reply-lost': {
    place: 'postgres wire',
    what: 'the connection is lost after COMMIT was sent',
    lastsMs: [300, 1_000],
    modes: ALL,
  },
  'client-leaves': { place: 'partners', what: 'a client leaves midway', lastsMs: [0, 0], modes: REQUESTS },
  'half-body': { place: 'partners', what: 'a client sends half a body', lastsMs: [0, 0], modes: REQUESTS },
  copies: {
    place: 'partners',
    what: '100 copies of a request at all nodes',
    lastsMs: [0, 0],
    modes: REQUESTS,
  },
  'after-ttl': {
    place: 'partners',
    what: 'a retry after the time to live',
    lastsMs: [0, 0],
    modes: KEYS_ALONE,
  },
  'gateway-stall': {
    place: 'far side',
    what: 'the gateway charges and never responds',
    lastsMs: [400, 1_500],
    modes: WITH_CHARGES,
  },
  'gateway-reset': {
    place: 'far side',
    what: 'the gateway charges and resets',
    lastsMs: [400, 1_500],
    modes: WITH_CHARGES,
  },
  'gateway-late': {
    place: 'far side',
    what: 'the gateway charges when nobody waits any more',
    lastsMs: [400, 1_000],
    modes: WITH_CHARGES,
  },
  'gateway-truncate': {
    place: 'far side',
    what: 'the gateway charges and cuts its response',
    lastsMs: [400, 1_500],
    modes: ['payments'],
  },
  'gateway-drop': {
    place: 'far side',
    what: 'the gateway resets and does not charge',
    lastsMs: [400, 1_000],
    modes: ['payments'],
  },
  'gateway-one-way': {
    place: 'far side',
    what: 'one direction to or from the gateway is lost, and comes late',
    lastsMs: [400, 1_400],
    modes: ['payments'],
  },
  'backend-one-way': {
    place: 'far side',
    what: 'one direction to or from the backend is lost, and comes late',
    lastsMs: [400, 5_000],
    modes: ['proxy'],
  },
  'backend-kill': {
    place: 'far side',
    what: 'connections to the backend are killed before the first byte of a response',
    lastsMs: [300, 1_000],
    modes: ['proxy'],
  },
  'backend-stall': {
    place: 'far side',
    what: 'the backend commits and its response never comes',
    lastsMs: [400, 1_500],
    modes: ['proxy'],
  },
  'backend-reset': {
    place: 'far side',
    what: 'the backend commits and the connection is reset',
    lastsMs: [400, 1_500],
    modes: ['proxy'],
  },
  'backend-truncate': {
    place: 'far side',
    what: 'the backend commits and its response is cut',
    lastsMs: [400, 1_500],
    modes: ['proxy'],
  },
  'backend-refuse': {
    place: 'far side',
    what: 'the backend refuses connections',
    lastsMs: [400, 1_500],
    modes: ['proxy'],
  },
  'never-ends': { place: 'partners', what: 'a handler that never ends', lastsMs: [0, 0], modes: ['proxy'] },
  ...EVENT_FAULT_KINDS,
} as const satisfies Record<string, FaultKindInfo>

export type FaultKind = keyof typeof FAULTS

export function isFaultKind(name: string): name is FaultKind {
  return Object.hasOwn(FAULTS, name)
}

export const FAULT_KINDS: readonly FaultKind[] = Object.keys(FAULTS).filter(isFaultKind)

export function infoOf(kind: FaultKind): FaultKindInfo {
  return FAULTS[kind]
}

/**
 * Which faults a run can have. The service keeps its limits in Redis wherever its keys are; the sidecar has one store,
 * so that without it there is nothing to break.
 */
export function applies(kind: FaultKind, mode: Mode, store: Store): boolean {
  const { place, modes } = infoOf(kind)
  if (!modes.includes(mode)) return false
  if (mode !== 'proxy') return true
  if (place === 'redis' || place === 'redis wire') return store === 'redis'
  if (place === 'postgres' || place === 'postgres wire') return store === 'postgres'
  return true
}
