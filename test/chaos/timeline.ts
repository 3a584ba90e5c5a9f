import type { Evidence } from './evidence.ts'
import { type FaultKind, infoOf } from './fault-kinds.ts'
import type { Exchange } from './history.ts'
import { isFinal } from './traffic.ts'

const WIDTH = 1_000
const LEFT = 150
const RIGHT = 24
const TOP = 64
const ROW = 15
const PLOT = 170
const SLOTS = 120

const OUTCOMES = ['final', 'passing', 'lost', 'refused'] as const
type Outcome = (typeof OUTCOMES)[number]
const LABELS: Record<Outcome, string> = {
  final: 'final response',
  passing: 'try again (409, 429, 5xx)',
  lost: 'no response',
  refused: 'refused as it should be (401, 422, 404)',
}

/** Faults above, a row a kind; outcomes below, stacked over time. Readable in light and dark surroundings. */
export function timelineSvg(evidence: Evidence): string {
  const { plan, outcome, exchanges } = evidence
  const { startedAt } = outcome
  const spanMs = Math.max(1, outcome.endedAt - startedAt)
  const x = (at: number) =>
    round(LEFT + (Math.min(spanMs, Math.max(0, at - startedAt)) / spanMs) * (WIDTH - LEFT - RIGHT))
  const kinds = [...new Set(outcome.faults.map(({ kind }) => kind))].sort(byPlace)
  const bottom = TOP + kinds.length * ROW + 14
  const height = bottom + PLOT + 74
  const parts: string[] = []
  for (const [n, kind] of kinds.entries()) {
    const y = TOP + n * ROW
    parts.push(`<text class="label" x="${LEFT - 10}" y="${y + 10}">${kind}</text>`)
    for (const one of outcome.faults) {
      if (one.kind !== kind) continue
      const width = Math.max(1.5, x(one.endedAt) - x(one.beganAt))
      const what = `${kind}: ${one.detail}, ${((one.beganAt - startedAt) / 1_000).toFixed(1)} s, ${Math.round(one.endedAt - one.beganAt)} ms`
      parts.push(
        `<rect class="${one.hit ? 'fault' : 'miss'}" x="${x(one.beganAt)}" y="${y + 2}" width="${round(width)}" height="${ROW - 5}"><title>${escaped(what)}</title></rect>`,
      )
    }
  }
  parts.push(...outcomes(evidence, exchanges, spanMs, bottom))
  const healed = x(outcome.healedAt)
  parts.push(
    `<path class="healed" d="M${healed},${TOP - 6}V${bottom + PLOT}"/>`,
    `<text class="note" x="${healed}" y="${TOP - 10}" text-anchor="middle">all well</text>`,
  )
  const title = `${exchanges.length} requests, ${outcome.faults.length} faults`
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title">`,
    `<title id="title">oncekey chaos: ${title}</title>`,
    `<style>${CSS}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}"/>`,
    `<text class="title" x="16" y="28">${title}</text>`,
    `<text class="note" x="${WIDTH - RIGHT}" y="28" text-anchor="end">${plan.mode} on ${plan.store}, --seed ${plan.seed}</text>`,
    ...parts,
    ...axis(spanMs, bottom + PLOT, x, startedAt),
    ...legend(height - 14),
    '</svg>',
  ].join('\n')}\n`
}

function byPlace(one: FaultKind, other: FaultKind): number {
  const [a, b] = [infoOf(one).place + one, infoOf(other).place + other]
  return a < b ? -1 : a > b ? 1 : 0
}

/** Stacked bars, each of a slot of the time. */
function outcomes(
  { plan, outcome }: Evidence,
  exchanges: readonly Exchange[],
  spanMs: number,
  top: number,
): string[] {
  const slots = Array.from({ length: SLOTS }, () => ({ final: 0, passing: 0, lost: 0, refused: 0 }))
  for (const exchange of exchanges) {
    if (exchange.sent.kind === 'burst') continue
    const at = Math.floor(((exchange.sent.at - outcome.startedAt) / spanMs) * SLOTS)
    const slot = slots[Math.min(SLOTS - 1, Math.max(0, at))]
    if (slot !== undefined) slot[exchangeOutcome(plan.mode, exchange)]++
  }
  const most = Math.max(1, ...slots.map((slot) => OUTCOMES.reduce((sum, one) => sum + slot[one], 0)))
  const width = (WIDTH - LEFT - RIGHT) / SLOTS
  const parts = [
    `<text class="label" x="${LEFT - 10}" y="${top + 10}">${round(most / (spanMs / SLOTS / 1_000))} a second</text>`,
  ]
  for (const [n, slot] of slots.entries()) {
    let y = top + PLOT
    for (const one of OUTCOMES) {
      const height = (slot[one] / most) * PLOT
      if (height === 0) continue
      y -= height
      parts.push(
        `<rect class="${one}" x="${round(LEFT + n * width)}" y="${round(y)}" width="${round(width - 0.6)}" height="${round(height)}"><title>${slot[one]} ${LABELS[one]}</title></rect>`,
      )
    }
  }
  return parts
}

function exchangeOutcome(mode: Evidence['plan']['mode'], { sent, response }: Exchange): Outcome {
  if (response === undefined) return 'lost'
  if (isFinal(mode, response.status, response.code) && sent.kind !== 'forged') return 'final'
  return [401, 404, 422].includes(response.status) ? 'refused' : 'passing'
}

function axis(spanMs: number, y: number, x: (at: number) => number, startedAt: number): string[] {
  const step =
    [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200].find((one) => spanMs / 1_000 / one <= 12) ?? 3_600
  const parts: string[] = []
  for (let s = 0; s * 1_000 <= spanMs; s += step) {
    const at = x(startedAt + s * 1_000)
    parts.push(`<path class="grid" d="M${at},${y}v5"/><text class="tick" x="${at}" y="${y + 18}">${s}</text>`)
  }
  return [
    ...parts,
    `<text class="tick" x="${(LEFT + WIDTH) / 2}" y="${y + 36}">seconds since the start</text>`,
  ]
}

function legend(y: number): string[] {
  let at = LEFT
  return OUTCOMES.map((one) => {
    const part = `<rect class="${one}" x="${at}" y="${y - 9}" width="10" height="10"/><text class="note" x="${at + 15}" y="${y}">${LABELS[one]}</text>`
    at += 40 + LABELS[one].length * 6.6
    return part
  })
}

const CSS = [
  'text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:#1f2328}',
  '.title{font-size:17px;font-weight:600}.note,.tick{fill:#59636e}.tick{text-anchor:middle}.label{text-anchor:end;font-size:11px}',
  '.ground{fill:#ffffff}.grid,.healed{stroke:#818b98;fill:none}.healed{stroke-dasharray:4 3}',
  '.fault{fill:#cf222e}.miss{fill:#818b98}.final{fill:#1a7f37}.passing{fill:#bf8700}.lost{fill:#cf222e}.refused{fill:#8250df}',
  '@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.note,.tick{fill:#9198a1}.ground{fill:#0d1117}',
  '.fault,.lost{fill:#ff7b72}.final{fill:#3fb950}.passing{fill:#e3b341}.refused{fill:#bc8cff}}',
].join('')

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`)
}

function round(number: number): number {
  return Math.round(number * 100) / 100
}
