import type { Plan } from './plan.ts'

/** What must be the same in every response to a key. */
export interface FinalResponse {
  status: number
  contentType: string | null
  location: string | null
  body: Uint8Array
  replayed: boolean
}

export interface Violation {
  key: string
  what:
    | 'response differed'
    | 'executed twice'
    | 'order made twice'
    | 'order missing'
    | 'order differs'
    | 'payment missing'
    | 'payment differs'
    | 'payment shared'
  detail: string
}

/** Compares all final responses of a key with the first one. A violation is reported once for each key and kind. */
export class Ledger {
  readonly #entries = new Map<string, { plan: Plan; first: FinalResponse | undefined; fresh: number }>()
  readonly #violations = new Map<string, Violation>()

  /** To be called before the request is sent. */
  sent(plan: Plan): void {
    this.#entries.set(plan.key, { plan, first: undefined, fresh: 0 })
  }

  get plans(): Plan[] {
    return [...this.#entries.values()].map(({ plan }) => plan)
  }

  first(key: string): FinalResponse | undefined {
    return this.#entries.get(key)?.first
  }

  get violations(): Violation[] {
    return [...this.#violations.values()]
  }

  answered(key: string, response: FinalResponse): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    if (!response.replayed && ++entry.fresh > 1)
      this.violated({ key, what: 'executed twice', detail: 'two responses without Idempotent-Replayed' })
    entry.first ??= response
    const difference = differenceOf(entry.first, response)
    if (difference !== undefined) this.violated({ key, what: 'response differed', detail: difference })
  }

  violated(violation: Violation): void {
    const name = `${violation.key} ${violation.what}`
    if (!this.#violations.has(name)) this.#violations.set(name, violation)
  }
}

function differenceOf(first: FinalResponse, other: FinalResponse): string | undefined {
  for (const name of ['status', 'contentType', 'location'] as const) {
    if (first[name] !== other[name]) return `${name} was ${first[name]} and then ${other[name]}`
  }
  if (sameBytes(first.body, other.body)) return undefined
  return `the body was ${excerpt(first.body)} and then ${excerpt(other.body)}`
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, n) => byte === other[n])
}

/** A JSON string, so that it stays on one line. */
function excerpt(bytes: Uint8Array): string {
  const text = new TextDecoder().decode(bytes.subarray(0, 200))
  return JSON.stringify(bytes.length > 200 ? `${text}...` : text)
}
