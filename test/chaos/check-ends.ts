import { byName, type Evidence, isGenuine } from './evidence.ts'
import type { Exchange } from './history.ts'
import type { Violation } from './invariants.ts'
import { isFinal } from './traffic.ts'

const SLACK_MS = 1_000
const HEX = /[0-9a-f]{64}/g

/** Invariants 11 and 12. */
export function checkEnds(evidence: Evidence): Violation[] {
  return [...late(evidence), ...stuck(evidence), ...leaked(evidence)]
}

/** A node that stands still answers nobody; that time does not count. */
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

/** Long after all was well again, a key is held although nobody works on it, or has come to no end. */
function stuck({ plan, outcome, exchanges }: Evidence): Violation[] {
  const found: Violation[] = []
  const clearAt = outcome.healedAt + plan.holdMs + SLACK_MS
  for (const [name, own] of byName(exchanges)) {
    const genuine = own.filter(isGenuine)
    for (const exchange of genuine) {
      const { sent, answer } = exchange
      if (sent.at < clearAt || answer?.code !== 'request_in_progress') continue
      const held = genuine.some((one) => one !== exchange && mayHold(one, sent.at))
      if (!held)
        found.push({ invariant: 11, what: `${name} (${sent.id}) is still locked long after healing` })
    }
  }
  if (outcome.open > 0) found.push({ invariant: 11, what: `${outcome.open} keys came to no end` })
  return found

  function mayHold({ sent, answer, endAt }: Exchange, at: number): boolean {
    if (sent.at >= at) return sent.at <= at + SLACK_MS
    const isOver = answer !== undefined && isFinal(plan.mode, answer.status, answer.code)
    return endAt + (isOver ? plan.leaseMs : plan.holdMs) + SLACK_MS > at && endAt > clearAt
  }
}

function leaked({ plan, exchanges, words }: Evidence): Violation[] {
  const found: Violation[] = []
  const secrets = [...plan.clients.map(({ secret }) => secret), plan.methodCanary]
  const signatures = new Set(exchanges.map(({ sent }) => sent.signature).filter((one) => one !== ''))
  for (const { name, text } of words) {
    for (const secret of secrets) {
      if (text.includes(secret)) found.push({ invariant: 12, what: `a secret is in ${name}` })
    }
    for (const [hex] of text.matchAll(HEX)) {
      if (!signatures.has(hex)) continue
      found.push({ invariant: 12, what: `a signature is in ${name}` })
      break
    }
  }
  for (const { sent, answer } of exchanges) {
    if (answer?.leaked === true)
      found.push({ invariant: 12, what: `a secret is in the answer to ${sent.id}` })
  }
  return found
}
