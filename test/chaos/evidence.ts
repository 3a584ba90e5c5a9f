import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type EventEvidence, readEventEvidence } from './event-evidence.ts'
import { type Exchange, readHistory } from './history.ts'
import { type Done, type Outcome, outcome, type Rows, rows } from './outcome.ts'
import { piecesOf } from './read-lines.ts'
import { readLedger } from './read-truth.ts'
import { type RunPlan, runPlan } from './run-plan.ts'

/** All that is known of a run when it is over. */
export interface Evidence {
  plan: RunPlan
  outcome: Outcome
  rows: Rows
  /** What the gateway or the backend did. */
  done: readonly Done[]
  /** In the order of sending. */
  exchanges: readonly Exchange[]
  /** Logs, metrics and health pages, a piece at a time. */
  words: Iterable<{ name: string; text: string }>
  /** undefined in other modes. */
  events: EventEvidence | undefined
}

export async function readEvidence(directory: string): Promise<Evidence> {
  const at = (name: string) => join(directory, name)
  const json = (name: string): unknown => JSON.parse(readFileSync(at(name), 'utf8'))
  const names = readdirSync(directory).sort()
  const plan = runPlan.parse(json('plan.json'))
  return {
    plan,
    outcome: outcome.parse(json('outcome.json')),
    rows: rows.parse(json('rows.json')),
    done: readLedger(at('ledger'), plan.mode),
    exchanges: await readHistory(names.filter((name) => /^partner-\d+\.jsonl$/.test(name)).map(at)),
    words: {
      *[Symbol.iterator]() {
        for (const name of names) {
          if (!/^(node|pages|said)-\d+\.(log|txt)$/.test(name)) continue
          for (const text of piecesOf(at(name))) yield { name, text }
        }
      },
    },
    events: plan.mode === 'events' ? readEventEvidence(directory) : undefined,
  }
}

/** Signed as it should be, and sent whole: what may take effect. */
export function isGenuine({ sent }: Exchange): boolean {
  return sent.kind !== 'forged' && sent.kind !== 'half'
}

/** A client and its key: what an order belongs to. */
export function nameOf({ client, key }: { client: string; key: string }): string {
  return `${client} ${key}`
}

/** Those with a key, by client and key; each in the order of sending. */
export function byName(exchanges: readonly Exchange[]): Map<string, Exchange[]> {
  const names = new Map<string, Exchange[]>()
  for (const exchange of exchanges) {
    if (exchange.sent.key === '') continue
    const name = nameOf(exchange.sent)
    const own = names.get(name)
    if (own === undefined) names.set(name, [exchange])
    else own.push(exchange)
  }
  return names
}

/**
 * Until when a lease may last that was taken before the clock of a store was put back: its length from the next look at
 * the key, and once more for the attempt that takes it over. 0: no clock was stepped.
 */
export function heldSinceStep({ plan, outcome }: Evidence, own: readonly Exchange[]): number {
  const firstAt = own[0]?.sent.at ?? Number.POSITIVE_INFINITY
  const looks = outcome.faults
    .filter(({ kind, endedAt }) => (kind === 'postgres-clock' || kind === 'redis-clock') && endedAt > firstAt)
    .flatMap(({ endedAt }) => own.find(({ sent }) => sent.at >= endedAt)?.sent.at ?? [])
  return looks.length === 0 ? 0 : Math.max(...looks) + 2 * plan.holdMs
}
