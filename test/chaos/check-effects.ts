import { gatewayKeyOf } from '../../internal/payments/payment.ts'
import { ranAgain } from './check-runs.ts'
import { byName, type Evidence, isGenuine, nameOf } from './evidence.ts'
import { hasCharges } from './fault-kinds.ts'
import type { Exchange } from './history.ts'
import type { Violation } from './invariants.ts'
import { isLateOrder } from './late-commits.ts'
import { isFinal } from './traffic.ts'

/** What took effect for one client and key. */
interface Effect {
  /** Orders, payments or runs of the backend. */
  count: number
  /** Of the gateway. */
  charges: number
  /** Of the responses that belong to them. */
  shas: (string | null | undefined)[]
  values: Record<string, string | number>[]
}

/** Invariants 1, 2, 3, 6 and 8: what the partners were told against what there is. */
export function checkEffects(evidence: Evidence): Violation[] {
  const found: Violation[] = []
  const { mode } = evidence.plan
  const asked = byName(evidence.exchanges)
  const effects = effectsOf(evidence, asked)
  const what = { orders: 'orders', payments: 'payments', proxy: 'runs', events: 'orders or payments' }[mode]
  for (const [name, { count, charges, values }] of effects) {
    if (count > 1 && mode !== 'proxy') found.push({ invariant: 1, what: `${name} has ${count} ${what}` })
    if (charges > 1) found.push({ invariant: 1, what: `${name} was charged ${charges} times` })
    const genuine = (asked.get(name) ?? []).filter(isGenuine)
    const founded = values.every((value) => genuine.some(({ sent }) => matches(sent.value, value)))
    if (genuine.length === 0 || !founded) {
      found.push({ invariant: 3, what: `${name} took effect, and nobody who may has asked for that` })
    }
  }
  if (mode === 'proxy') found.push(...ranAgain(evidence))
  for (const [name, own] of asked) {
    const effect = effects.get(name)
    for (const exchange of own) {
      const fault = isAcknowledged(evidence, exchange) ? unfounded(exchange, effect) : undefined
      if (fault !== undefined) found.push({ invariant: 2, what: `${name} (${exchange.sent.id}): ${fault}` })
    }
    if (effect !== undefined && own.every(isRefusedForCertain)) {
      found.push({
        invariant: 6,
        what: `${name} took effect, and all of its requests were refused for certain`,
      })
    }
  }
  return found
}

function effectsOf(
  { plan, rows, done }: Evidence,
  asked: ReadonlyMap<string, readonly Exchange[]>,
): Map<string, Effect> {
  const effects = new Map<string, Effect>()
  const at = (name: string): Effect => {
    const effect = effects.get(name) ?? { count: 0, charges: 0, shas: [], values: [] }
    effects.set(name, effect)
    return effect
  }
  for (const row of rows.orders) {
    if (isLateOrder(row)) continue
    const effect = at(nameOf(row))
    effect.count++
    effect.shas.push(row.sha)
    effect.values.push({ amount: row.amount, user_id: row.user_id, item: row.item })
  }
  for (const row of rows.payments) {
    const effect = at(nameOf(row))
    effect.count++
    effect.shas.push(row.sha)
    effect.values.push({ amount: row.amount })
    // Begun is not yet a charge.
    if (row.state !== 'completed' && row.charge_id === null) effects.delete(nameOf(row))
  }
  // What the far side knows a key by.
  const names = new Map<string, string>()
  for (const [name, [first]] of asked) {
    if (first === undefined) continue
    const { client, key } = first.sent
    names.set(hasCharges(plan.mode) ? gatewayKeyOf(client, first.sent.target, key) : key, name)
  }
  for (const { key, sha } of done) {
    const effect = at(names.get(key) ?? key)
    if (hasCharges(plan.mode)) effect.charges++
    else {
      effect.count++
      effect.shas.push(sha)
    }
  }
  return effects
}

function matches(asked: Record<string, string | number>, value: Record<string, string | number>): boolean {
  return Object.entries(value).every(([name, one]) => asked[name] === one)
}

/** A declined payment took effect, too: it has its row and its charge. */
function isAcknowledged({ plan }: Evidence, { sent, response }: Exchange): boolean {
  return (
    sent.kind !== 'forged' && response !== undefined && isFinal(plan.mode, response.status, response.code)
  )
}

function unfounded({ sent, response }: Exchange, effect: Effect | undefined): string | undefined {
  if (effect === undefined) return `got ${response?.status}, and there is nothing`
  if (!effect.shas.includes(response?.sha)) return 'got something else than what there is'
  const { values } = effect
  if (values.length > 0 && !values.some((value) => matches(sent.value, value))) {
    return 'got a response as if it were the request that its key stands for'
  }
  return undefined
}

/** Codes that say: nothing of this request happened, nor will it. */
const CERTAIN = new Set([
  ...['invalid_json', 'invalid_request', 'idempotency_key_missing', 'idempotency_key_invalid'],
  ...['signature_missing', 'signature_invalid', 'timestamp_out_of_range', 'api_key_invalid'],
  ...['scheme_not_allowed', 'not_found', 'method_not_allowed', 'not_acceptable', 'request_timeout'],
  ...['body_too_large', 'unsupported_media_type', 'headers_too_large', 'validation_failed', 'rate_limited'],
  ...['idempotency_key_reused', 'shutting_down', 'backend_unreachable'],
])

function isRefusedForCertain({ sent, response }: Exchange): boolean {
  if (sent.kind === 'half') return true
  if (response === undefined) return sent.kind === 'forged'
  return (
    CERTAIN.has(response.code) ||
    (response.code === 'circuit_open' && response.detail.includes('Nothing was charged'))
  )
}
