import type { CompareReport } from './compare-builds.ts'
import type { Finding, FuzzReport } from './run-fuzz.ts'

const MAX_SHOWN_BYTES = 4_000

/** For people: what was sent, what came back, and of each finding how to see it again. */
export function reportText(
  name: string,
  { cases, seconds, statuses, unanswered, slowestMs, findings }: FuzzReport,
): string {
  const counts = [...statuses].sort(([a], [b]) => a - b).map(([status, count]) => `${status}: ${count}`)
  return [
    `${name}: ${cases} cases in ${Math.round(seconds)} s, ${findings.length} findings`,
    `  responses: ${counts.join(', ')}; no whole request: ${unanswered}; slowest ${(slowestMs / 1_000).toFixed(1)} s`,
    ...findings.map(findingText),
  ].join('\n')
}

export function findingText({ case: one, fault, least }: Finding): string {
  if (one === undefined) return `  NOT OK: ${fault.slice(0, MAX_SHOWN_BYTES)}`
  const [seed, number] = [one.id.slice(0, one.id.lastIndexOf(':')), one.id.slice(one.id.lastIndexOf(':') + 1)]
  return [
    `  NOT OK: ${fault.slice(0, MAX_SHOWN_BYTES)}`,
    `    again: npm run fuzz -- --seed ${seed} --case ${number} (${one.kind}${one.mutated ? ', mutated' : ''})`,
    `    sent: ${shown(one.bytes)}`,
    ...(least === undefined ? [] : [`    the least that shows it: ${shown(least)}`]),
  ].join('\n')
}

/** Where two builds differ, with the first request that showed each. */
export function comparedText(name: string, { requests, seconds, differences }: CompareReport): string {
  return [
    `${name}: ${requests} requests to both builds in ${Math.round(seconds)} s, ${differences.length} differences`,
    ...differences.flatMap(({ what, count, here, other, sent }) => [
      `  ${what}, ${count} times`,
      ...(sent === undefined ? [] : [`    sent: ${shown(sent)}`]),
      `    here: ${here.slice(0, MAX_SHOWN_BYTES)}`,
      `    other: ${other.slice(0, MAX_SHOWN_BYTES)}`,
    ]),
  ].join('\n')
}

/** A JSON string, one character a byte. */
function shown(bytes: Buffer): string {
  return JSON.stringify(bytes.toString('latin1').slice(0, MAX_SHOWN_BYTES))
}
