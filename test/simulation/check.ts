import { settleMsOf } from '../../internal/payments/pay-once.ts'
import { gatewayKeyOf } from '../../internal/payments/payment.ts'
import { type Attempt, isFinal } from './history.ts'
import { isOrders, LEASE_MS, type Mode, SCOPES } from './node.ts'
import { GATEWAY_TIMEOUT_MS, type Models } from './node-dependencies.ts'

type Report = (violation: string) => void

/** A lock that its holder could not give back, or a payment that the completer asks about at this moment. */
const AFTERMATH_MS = LEASE_MS + settleMsOf(GATEWAY_TIMEOUT_MS) + 8_000

/** What must hold of every run, from what was seen outside and what there is in the end. */
export function check(
  mode: Mode,
  models: Models,
  attempts: readonly Attempt[],
  isFaulty: boolean,
  report: Report,
): void {
  for (const [name, group] of byKey(attempts)) {
    answersAreOne(name, group, report)
    conflictsHaveCauses(name, group, { mode, isFaulty }, report)
  }
  if (isOrders(mode)) checkOrders(models, attempts, report)
  else if (mode === 'payments') checkPayments(models, attempts, report)
  else checkSidecar(models, attempts, report)
}

function byKey(attempts: readonly Attempt[]): Map<string, Attempt[]> {
  const groups = new Map<string, Attempt[]>()
  for (const attempt of attempts) {
    const name = nameOf(attempt.request)
    const group = groups.get(name)
    if (group === undefined) groups.set(name, [attempt])
    else group.push(attempt)
  }
  return groups
}

function nameOf({ client, key }: { client: string; key: string }): string {
  return `${client}/${key}`
}

/** All final responses for a key are identical, whether a client saw them or not. */
function answersAreOne(name: string, group: readonly Attempt[], report: Report): void {
  const finals = group.flatMap(({ n, served, request }) =>
    served !== undefined && isFinal(served) ? [{ n, served, request }] : [],
  )
  const [first] = finals
  for (const { n, served, request } of finals) {
    if (first === undefined) continue
    const isSame =
      served.status === first.served.status &&
      served.body === first.served.body &&
      served.location === first.served.location
    if (!isSame) report(`${name}: responses ${first.n} and ${n} differ`)
    if (request.body !== first.request.body) report(`${name}: one response for two requests (${n})`)
  }
}

function conflictsHaveCauses(
  name: string,
  group: readonly Attempt[],
  { mode, isFaulty }: { mode: Mode; isFaulty: boolean },
  report: Report,
): void {
  for (const one of group) {
    const { served, servedFromMs = 0, servedToMs = 0 } = one
    if (served?.status !== 409) continue
    const code = served.problem?.code ?? 'no problem'
    // The response that is lost while its node lives may have been one of these, too.
    const before = group.filter(
      (other) => other !== one && other.servedFromMs !== undefined && other.servedFromMs <= servedToMs,
    )
    const isCaused = before.some((other) => {
      if (code === 'idempotency_key_reused') return other.request.body !== one.request.body
      if (code !== 'request_in_progress') return true
      const { servedToMs: endedMs = Number.POSITIVE_INFINITY, served: given } = other
      const isSettled = given !== undefined && isFinal(given)
      if (!isFaulty || isSettled) return endedMs + (isFaulty ? AFTERMATH_MS : 0) >= servedFromMs
      return true
    })
    // It may be about what this very request has done, or about a payment that the completer has taken from it.
    const isLate = mode === 'payments' && servedToMs - servedFromMs >= LEASE_MS
    const isAboutItself =
      (code === 'outcome_unknown' && served.problem?.effect === 'unknown') ||
      (code === 'request_in_progress' && isLate)
    if (!isCaused && !isAboutItself) report(`${name}: 409 ${code} (${one.n}) without another request`)
  }
}

function checkOrders({ orders }: Models, attempts: readonly Attempt[], report: Report): void {
  const rows = new Map<string, typeof orders.rows>()
  for (const row of orders.rows) {
    const name = nameOf({ client: row.client, key: row.order.key })
    rows.set(name, [...(rows.get(name) ?? []), row])
  }
  for (const [name, { length }] of rows) if (length > 1) report(`${name}: ${length} orders`)
  for (const { n, request, served } of attempts) {
    const name = nameOf(request)
    const row = rows.get(name)?.[0]
    if (served?.status === 201) {
      if (row === undefined) {
        report(`${name}: an order is acknowledged (${n}) and not there`)
        continue
      }
      const asked = JSON.parse(request.body)
      const told = JSON.parse(served.body).order
      const isIt =
        told.id === row.order.id && Number(row.order.amount) === asked.amount && row.order.item === asked.item
      if (!isIt) report(`${name}: the order that is acknowledged (${n}) is another one`)
    }
    if (served?.status === 422 && row !== undefined && row.response.body.includes('"amount":-')) {
      report(`${name}: refused (${n}) and placed`)
    }
  }
}

function checkPayments(models: Models, attempts: readonly Attempt[], report: Report): void {
  const { payments, gateway } = models
  const chargesOf = (request: { client: string; key: string }) =>
    gateway.charges.filter(({ key }) => key === gatewayKeyOf(request.client, SCOPES.payments, request.key))
  for (const [name, [first]] of byKey(attempts)) {
    if (first === undefined) continue
    const rows = payments.rows.filter(({ payment }) => nameOf(payment) === name)
    const charges = chargesOf(first.request)
    if (rows.length > 1) report(`${name}: ${rows.length} payments`)
    if (charges.length > 1) report(`${name}: charged ${charges.length} times`)
    const [row] = rows
    const [charge] = charges
    if (charge !== undefined && row?.payment.state !== charge.outcome) {
      report(`${name}: the charge was ${charge.outcome}, the payment is ${row?.payment.state ?? 'not there'}`)
    }
    if (charge === undefined && row?.settled !== undefined) report(`${name}: settled and never charged`)
    if (row?.settled !== undefined) {
      const ends = payments.events.filter(({ id, type }) => id === row.payment.id && SETTLED.has(type))
      if (ends.length !== 1) report(`${name}: ${ends.length} entries say how the payment ended`)
    }
  }
  for (const attempt of attempts) {
    const { n, request, served, servedToMs = 0 } = attempt
    const name = nameOf(request)
    const charges = chargesOf(request)
    if (served !== undefined && isFinal(served)) {
      const [charge] = charges
      const status = charge?.outcome === 'completed' ? 200 : 402
      if (charge === undefined) report(`${name}: a charge is acknowledged (${n}) and was not made`)
      else if (status !== served.status)
        report(`${name}: ${served.status} (${n}), charged as ${charge.outcome}`)
      else if (Number(charge.amount) !== JSON.parse(served.body).payment.amount) {
        report(`${name}: another amount is acknowledged (${n})`)
      }
    }
    const isFailure = served?.problem?.message.includes('Nothing was charged') === true
    if (isFailure && charges.some(({ leftMs }) => leftMs <= servedToMs) && isAlone(attempt, attempts)) {
      report(`${name}: "Nothing was charged" (${n}), and it was`)
    }
  }
}

/** Whether no copy of the request made it while this one was in flight: each speaks of what it did itself. */
function isAlone(
  { request, servedFromMs = 0, servedToMs = 0 }: Attempt,
  attempts: readonly Attempt[],
): boolean {
  return !attempts.some(
    (other) =>
      nameOf(other.request) === nameOf(request) &&
      other.served !== undefined &&
      isFinal(other.served) &&
      (other.servedToMs ?? 0) >= servedFromMs &&
      (other.servedFromMs ?? 0) <= servedToMs,
  )
}

const SETTLED = new Set(['payment.completed', 'payment.declined', 'payment.recovered'])

function checkSidecar({ backend }: Models, attempts: readonly Attempt[], report: Report): void {
  for (const [name] of byKey(attempts)) {
    const { length } = backend.runs.filter((run) => nameOf(run) === name)
    if (length > 1) report(`${name}: the backend ran it ${length} times`)
  }
  for (const attempt of attempts) {
    const { n, request, served, servedToMs = 0 } = attempt
    const name = nameOf(request)
    const run = backend.runs.find((one) => nameOf(one) === name)
    if (
      served !== undefined &&
      isFinal(served) &&
      (run?.response !== served.body || run.body !== request.body)
    ) {
      report(`${name}: a response (${n}) that the backend did not give`)
    }
    const isFailure = served?.problem?.code === 'backend_unreachable'
    if (isFailure && run !== undefined && run.leftMs <= servedToMs && isAlone(attempt, attempts)) {
      report(`${name}: "Nothing was sent" (${n}), and it was`)
    }
  }
}
