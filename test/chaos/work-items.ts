import { GREEDY, HERD, PROBE, type RunPlan } from './run-plan.ts'
import { type Identity, lookup, type Variant, type Wanted, wanted } from './traffic.ts'

/** One key of one client. */
export interface WorkItem {
  identity: Identity
  key: string
  n: number
  wanted: Wanted
  endedAt: number | undefined
  /** The client does not ask for it again. */
  left: boolean
}

/** Those that do what partners do. */
export function usualClients({ clients }: RunPlan): Identity[] {
  return clients.filter(({ name }) => ![HERD, GREEDY, PROBE].includes(name))
}

const WITH_ENDPOINTS = 3

/** Those that have endpoints and readers in runs of events, however many clients a high rate has. */
export function clientsOfEvents(plan: RunPlan): Identity[] {
  return usualClients(plan).slice(0, WITH_ENDPOINTS)
}

/** All that a partner has asked for, and what it asks for next. */
export class WorkItems {
  readonly all: WorkItem[] = []
  readonly #plan: RunPlan
  readonly #name: string
  readonly #random: () => number

  constructor(plan: RunPlan, name: string, random: () => number) {
    this.#plan = plan
    this.#name = name
    this.#random = random
  }

  /** A key of its own, of this client or of any of the usual ones. */
  fresh(variant: Variant, client?: string): WorkItem {
    const n = this.all.length
    const item: WorkItem = {
      identity: client === undefined ? this.#anybody() : this.#identity(client),
      key: `chaos-${this.#plan.seed}-${this.#name}-${String(n).padStart(6, '0')}`,
      n,
      wanted: wanted(this.#plan, n, variant, this.#random),
      endedAt: undefined,
      left: false,
    }
    this.all.push(item)
    return item
  }

  /** The same, for what is not asked for again. */
  unasked(variant: Variant): WorkItem {
    const item = this.fresh(variant)
    item.left = true
    return item
  }

  /** Another request under the same key. */
  other(item: WorkItem): WorkItem {
    const other = wanted(this.#plan, item.n, 'other', this.#random)
    // The sidecar's keys belong to a path.
    return { ...item, wanted: { ...other, path: item.wanted.path } }
  }

  /** The same key of another client: another request. */
  twin(item: WorkItem): WorkItem {
    const others = usualClients(this.#plan).filter(({ name }) => name !== item.identity.name)
    const identity = others[item.n % others.length] ?? item.identity
    const twin = { ...this.other(item), identity, endedAt: undefined }
    this.all.push(twin)
    return twin
  }

  /** Reads that only count in the limits. */
  lookups(client: string): WorkItem {
    const identity = this.#identity(client)
    return { identity, key: '', n: -1, wanted: lookup(this.#plan), endedAt: undefined, left: true }
  }

  #anybody(): Identity {
    const usual = usualClients(this.#plan)
    return this.#identity(usual[Math.floor(this.#random() * usual.length)]?.name ?? '')
  }

  #identity(name: string): Identity {
    const found = this.#plan.clients.find((one) => one.name === name)
    if (found === undefined) throw new Error(`there is no client ${name}`)
    return found
  }
}
