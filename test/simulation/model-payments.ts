import type { Payment } from '../../internal/payments/payment.ts'
import type {
  AttemptRef,
  BeginRequest,
  BeginResult,
  OpenEnd,
  PaymentStore,
  SettledResponse,
  Settlement,
} from '../../internal/payments/payment-store.ts'
import type { DuePayment, KeyState, PaymentKey, TakeDue } from '../../internal/payments/read-payments.ts'

/** A payment as its row keeps it. All times are Unix milliseconds on the clock of the model. */
export interface PaymentRow {
  payment: Payment
  fingerprint: string
  attempt: number
  leaseUntilMs: number
  sentAtMs: number
  /** undefined: settled, nothing is left to ask. */
  checkAtMs: number | undefined
  checks: number
  settled?: { chargeId: string | undefined; response: SettledResponse }
}

export interface PaymentEvent {
  client: string
  id: string
  type: string
  attempt: number
  reason: string | undefined
}

interface ModelPaymentsOptions {
  settleMs: number
  now: () => number
}

/**
 * The payments as a list: what the store on PostgreSQL promises, and nothing else. It runs the same contract suite. Each
 * call has done its work when it returns, before it is awaited.
 */
export class ModelPayments implements PaymentStore {
  /** A list, so that a second payment under a key would be seen. */
  readonly rows: PaymentRow[] = []
  readonly events: PaymentEvent[] = []
  readonly #settleMs: number
  readonly #now: () => number

  constructor({ settleMs, now }: ModelPaymentsOptions) {
    this.#settleMs = settleMs
    this.#now = now
  }

  async begin({ payment, fingerprint }: BeginRequest): Promise<BeginResult> {
    if (!(Number(payment.amount) > 0)) throw new Error('the amount of a payment is more than 0')
    const now = this.#now()
    const until = now + this.#settleMs
    const row = this.#underKey(payment)
    if (row === undefined) {
      const times = { leaseUntilMs: until, sentAtMs: now, checkAtMs: until }
      const fresh: PaymentRow = { payment, fingerprint, attempt: 1, ...times, checks: 0 }
      this.rows.push(fresh)
      this.#note(fresh, 'payment.attempted')
      return { outcome: 'begun' }
    }
    if (row.fingerprint !== fingerprint) return { outcome: 'mismatch' }
    const { id, createdAt, state } = row.payment
    if (row.settled !== undefined) return { outcome: 'settled', id, response: row.settled.response }
    // The same begin asked again: its first response was lost on the way.
    if (id === payment.id && row.attempt === 1) return { outcome: 'begun' }
    if (row.leaseUntilMs > now) return { outcome: 'in_progress', waitMs: row.leaseUntilMs - now }
    row.attempt++
    row.leaseUntilMs = until
    row.checkAtMs = until
    this.#note(row, 'payment.attempted', 'taken over')
    const waitMs = Math.max(0, row.sentAtMs + this.#settleMs - now)
    return {
      outcome: 'taken_over',
      id,
      attempt: row.attempt,
      createdAt,
      unknown: state === 'unknown',
      waitMs,
    }
  }

  async sendAgain(ref: AttemptRef): Promise<boolean> {
    const row = this.#open(ref)
    if (row === undefined) return false
    row.sentAtMs = this.#now()
    row.leaseUntilMs = row.sentAtMs + this.#settleMs
    row.checkAtMs = row.leaseUntilMs
    this.#note(row, 'payment.attempted', 'sent again')
    return true
  }

  async settle(ref: AttemptRef, { state, chargeId, response, event, reason }: Settlement): Promise<boolean> {
    const row = this.#open(ref)
    if (row === undefined) {
      const done = this.#of(ref)
      const isSame = done?.attempt === ref.attempt && done.payment.state === state
      return isSame && done.settled?.response.body.equals(response.body) === true
    }
    row.payment = { ...row.payment, state }
    row.settled = { chargeId, response }
    row.checkAtMs = undefined
    row.leaseUntilMs = this.#now()
    this.#note(row, event, reason)
    return true
  }

  async leaveOpen(ref: AttemptRef, { state, checkMs, reason }: OpenEnd): Promise<boolean> {
    const row = this.#open(ref)
    if (row === undefined) return false
    row.payment = { ...row.payment, state }
    row.leaseUntilMs = this.#now()
    row.checkAtMs = this.#now() + checkMs
    if (reason !== undefined) this.#note(row, 'payment.unknown', reason)
    return true
  }

  async abandon(ref: AttemptRef, reason: string): Promise<boolean> {
    const row = this.#of(ref)
    if (row?.attempt === 1 && row.payment.state === 'processing') {
      this.rows.splice(this.rows.indexOf(row), 1)
      this.#note(row, 'payment.abandoned', reason)
    }
    return this.#of(ref) === undefined
  }

  async readKey(of: PaymentKey): Promise<KeyState> {
    const row = this.#underKey(of)
    if (row === undefined) return { outcome: 'none' }
    if (row.fingerprint !== of.fingerprint) return { outcome: 'mismatch' }
    if (row.settled === undefined) return { outcome: 'open' }
    return { outcome: 'settled', id: row.payment.id, response: row.settled.response }
  }

  async takeDue({ limit, leaseMs, expiryMs }: TakeDue): Promise<DuePayment[]> {
    const now = this.#now()
    const due = this.rows.filter(
      ({ checkAtMs, leaseUntilMs }) => checkAtMs !== undefined && checkAtMs <= now && leaseUntilMs <= now,
    )
    return due.slice(0, limit).map((row) => {
      row.attempt++
      row.checks++
      row.leaseUntilMs = now + leaseMs
      row.checkAtMs = now + leaseMs
      const { payment, attempt, checks } = row
      return { payment, attempt, checks, expired: row.sentAtMs <= now - expiryMs }
    })
  }

  async takeUnknown(of: { client: string; id: string; seen: number; leaseMs: number; settleMs: number }) {
    const row = this.#of(of)
    const isThere = row?.attempt === of.seen && row.payment.state === 'unknown'
    if (row === undefined || !isThere || row.leaseUntilMs > this.#now()) return undefined
    if (row.sentAtMs > this.#now() - of.settleMs) return undefined
    row.attempt++
    row.leaseUntilMs = this.#now() + of.leaseMs
    return { payment: row.payment, attempt: row.attempt }
  }

  async find(client: string, id: string): Promise<Payment | undefined> {
    return this.#of({ client, id })?.payment
  }

  #underKey({ client, scope, key }: { client: string; scope: string; key: string }) {
    return this.rows.find(
      ({ payment }) => payment.client === client && payment.scope === scope && payment.key === key,
    )
  }

  #of({ client, id }: { client: string; id: string }): PaymentRow | undefined {
    return this.rows.find(({ payment }) => payment.client === client && payment.id === id)
  }

  /** Not settled, and this attempt is the last one. */
  #open(ref: AttemptRef): PaymentRow | undefined {
    const row = this.#of(ref)
    return row?.attempt === ref.attempt && row.settled === undefined ? row : undefined
  }

  #note({ payment: { client, id }, attempt }: PaymentRow, type: string, reason?: string): void {
    this.events.push({ client, id, type, attempt, reason })
  }
}
