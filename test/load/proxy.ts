/*
 * npm run test:proxy: many copies of each request through two sidecars on one Redis, while the connections on both
 * sides are delayed, cut, reset and swallowed, a sidecar is killed, and Redis hangs and goes away. The backend must see
 * each key at most once, and all copies of a key must end alike. Exit code 1 if not, and if the run proved nothing.
 *
 *   npm run test:proxy -- --seed monday             the same faults again
 *   npm run test:proxy -- --sabotage release        sidecars that guess; the run must fail (or bypass: none at all)
 */
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { type DrillReport, proxyDrill } from '../support/proxy-drill.ts'

const REPORT_EVERY_MS = 2_000
/** The longest that a run may take on a slow machine; here it takes about half a minute. */
const DEADLINE_MS = 300_000
const SHOWN = 20

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000' },
    copies: { type: 'string', default: '10' },
    seed: { type: 'string', default: randomBytes(4).toString('hex') },
    sabotage: { type: 'string' },
  },
})
const { seed, sabotage } = values
if (sabotage !== undefined && sabotage !== 'release' && sabotage !== 'bypass') {
  throw new Error('--sabotage is release or bypass')
}
const startedMs = performance.now()
const deadline = setTimeout(() => {
  console.error(`not ok: not done after ${DEADLINE_MS / 1_000} s`)
  process.exit(1)
}, DEADLINE_MS)
let line = () => 'starting'
const progress = setInterval(() => console.log(`${seconds()} s | ${line()}`), REPORT_EVERY_MS)

console.log(
  `${values.keys} keys x ${values.copies} copies, --seed ${seed}${sabotage ? `, sabotage: ${sabotage}` : ''}`,
)
const report = await proxyDrill({
  keys: Number(values.keys),
  copies: Number(values.copies),
  seed,
  sabotage,
  atOnce: 16,
  leaseMs: 3_000,
  timeoutMs: 1_500,
  patienceMs: sabotage ? 3_000 : 60_000,
  onPhase(phase, done, of) {
    line = () => `${phase}: ${done()} of ${of} keys`
  },
})
clearInterval(progress)
clearTimeout(deadline)
print(report)
const faults = [...report.violations, ...unproven(report)]
for (const fault of faults.slice(0, SHOWN)) console.error(`not ok: ${fault}`)
if (faults.length > SHOWN) console.error(`not ok: and ${faults.length - SHOWN} more`)
console.log(faults.length === 0 ? `ok after ${seconds()} s` : `BROKEN after ${seconds()} s (--seed ${seed})`)
process.exit(faults.length === 0 ? 0 : 1)

function print({ answered, unknown, open, runs, unknownByKill, refused, struck, tally }: DrillReport): void {
  const pairs = (entries: Iterable<[string, number]>) =>
    [...entries].map(([name, n]) => `${name} ${n}`).join(', ')
  console.log(
    `keys: ${answered} with a response, ${unknown} outcome_unknown (${unknownByKill} by the kill), ${open} without an end`,
  )
  console.log(
    `runs at the backend: ${runs}; requests: ${tally.sent} sent, ${tally.lost} lost; ${refused} while Redis was away`,
  )
  console.log(`responses that were not the end: ${pairs(tally.notYet)}`)
  console.log(`faults before the sidecars: ${pairs(Object.entries(struck.before))}`)
  console.log(`faults behind the sidecars: ${pairs(Object.entries(struck.behind))}`)
}

/** A run in which nothing could go wrong says nothing. */
function unproven({ answered, unknown, unknownByKill, struck, tally }: DrillReport): string[] {
  const missing: string[] = []
  for (const kind of ['cut', 'reset', 'blackhole', 'half-close', 'latency', 'refuse'] as const) {
    if (struck.behind[kind] === 0) missing.push(`no ${kind} behind the sidecars`)
    if (struck.before[kind] === 0 && kind !== 'half-close') missing.push(`no ${kind} before the sidecars`)
  }
  if (answered < unknown) missing.push(`only ${answered} keys got a response, ${unknown} did not`)
  if (unknown === 0) missing.push('no key came to outcome_unknown')
  if (unknownByKill === 0) missing.push('the killed sidecar had nothing in flight')
  if (tally.lost === 0) missing.push('no response was lost')
  return missing.map((what) => `this proves nothing: ${what}`)
}

function seconds(): string {
  return ((performance.now() - startedMs) / 1_000).toFixed(1)
}
