import { byName, type Evidence, heldSinceStep, isGenuine } from './evidence.ts'
import type { Exchange, SendKind } from './history.ts'
import type { Violation } from './invariants.ts'
import { ARRIVAL_MS, GRACE_MS } from './run-plan.ts'
import { isFinal } from './traffic.ts'

const SLACK_MS = 1_000
const HEX = /[0-9a-f]{64}/g

/** Invariants 11, 12 and 13: how requests end. */
export function checkEnds(evidence: Evidence): Violation[] {
  return [...late(evidence), ...stuck(evidence), ...leaked(evidence), ...cut(evidence)]
}

/** A node that is stopped in order, and in time, has an end for each request that had arrived. */
function cut({ plan, outcome, exchanges }: Evidence): Violation[] {
  const found: Violation[] = []
  for (const { node, sigterm } of outcome.faults) {
    if (sigterm === undefined || !sigterm.inTime) continue
    for (const { sent, response, endAt, error } of exchanges) {
      if (sent.node !== node % plan.nodes || STOPS_ITSELF.has(sent.kind) || response !== undefined) continue
      if (sent.at > sigterm.arrivedAt - ARRIVAL_MS || endAt < sigterm.at || endAt > sigterm.at + GRACE_MS)
        continue
      found.push({ invariant: 13, what: `${sent.id} was cut by SIGTERM: ${error ?? 'without an end'}` })
    }
  }
  return found
}

const STOPS_ITSELF: ReadonlySet<SendKind> = new Set(['leave', 'half'])

/** A node that stands still does not respond; that time does not count. */
function late({ plan, outcome, exchanges }: Evidence): Violation[] {
  const stalls = outcome.faults.filter(({ kind }) => kind === 'stall')
  const found: Violation[] = []
  for (const { sent, endAt } of exchanges) {
    if (endAt - sent.at <= plan.deadlineMs) continue
    // Those who were killed with their partner cannot be: partners outlive the run.
    const still = stalls
      .filter(({ node }) => node % plan.nodes === sent.node)
      .reduce(
        (sum, one) => sum + Math.max(0, Math.min(endAt, one.endedAt) - Math.max(sent.at, one.beganAt)),
        0,
      )
    if (endAt - sent.at - still <= plan.deadlineMs) continue
    const took = Number.isFinite(endAt) ? `${Math.round(endAt - sent.at)} ms` : 'for ever'
    found.push({ invariant: 11, what: `${sent.id} took ${took}; its deadline is ${plan.deadlineMs} ms` })
  }
  return found
}

/** Long after all was well again, a key is held although no attempt works on it, or has come to no end. */
function stuck(evidence: Evidence): Violation[] {
  const { plan, outcome, exchanges } = evidence
  const found: Violation[] = []
  const clearAt = outcome.healedAt + plan.holdMs + SLACK_MS
  for (const [name, own] of byName(exchanges)) {
    const genuine = own.filter(isGenuine)
    const steppedUntil = heldSinceStep(evidence, genuine)
    for (const exchange of genuine) {
      const { sent, response } = exchange
      if (sent.at < Math.max(clearAt, steppedUntil) || response?.code !== 'request_in_progress') continue
      const held = genuine.some((one) => one !== exchange && mayHold(one, sent.at))
      if (!held)
        found.push({ invariant: 11, what: `${name} (${sent.id}) is still locked long after healing` })
    }
  }
  if (outcome.open > 0) found.push({ invariant: 11, what: `${outcome.open} keys came to no end` })
  return found

  function mayHold({ sent, response, endAt }: Exchange, at: number): boolean {
    if (sent.at >= at) return sent.at <= at + SLACK_MS
    const isOver = response !== undefined && isFinal(plan.mode, response.status, response.code)
    return endAt + (isOver ? plan.leaseMs : plan.holdMs) + SLACK_MS > at && endAt > clearAt
  }
}

function leaked({ plan, exchanges, words, events }: Evidence): Violation[] {
  const found = new Map<string, Violation>()
  const say = (what: string) => found.set(what, { invariant: 12, what })
  const ofEndpoints = events?.receivers.flatMap(({ secrets }) => secrets.map(({ secret }) => secret)) ?? []
  const secrets = [...plan.clients.map(({ secret }) => secret), plan.methodCanary, ...ofEndpoints]
  const signatures = new Set(exchanges.map(({ sent }) => sent.signature).filter((one) => one !== ''))
  for (const { name, text } of words) {
    if (secrets.some((secret) => text.includes(secret))) say(`a secret is in ${name}`)
    for (const [hex] of text.matchAll(HEX)) if (signatures.has(hex)) say(`a signature is in ${name}`)
  }
  for (const { sent, response } of exchanges) {
    if (response?.leaked === true) say(`a secret is in the response to ${sent.id}`)
  }
  return [...found.values()]
}
