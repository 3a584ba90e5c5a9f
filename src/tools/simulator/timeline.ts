import type { Outcome } from './losing-fetch.ts'
import type { Call } from './simulation.ts'

/** With more requests than this the rows are clients. */
const MAX_REQUEST_ROWS = 60
const WIDTH = 1_000
const LEFT = 76
const RIGHT = 24
const TOP = 92
const BOTTOM = 56
const MARK = 4.5

interface Style {
  label: string
  light: string
  dark: string
  /** A shape around 0,0, distinct without colours. */
  path: string
}

const circle = (r: number) => `M${-r},0a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0z`
const STYLES: Record<Outcome, Style> = {
  fresh: { label: 'fresh', light: '#1a7f37', dark: '#3fb950', path: circle(MARK) },
  replayed: { label: 'replayed', light: '#0969da', dark: '#58a6ff', path: `${circle(MARK)}${circle(2)}` },
  'in progress': { label: 'in progress (409)', light: '#9a6700', dark: '#e3b341', path: 'M-4,-4h8v8h-8z' },
  limited: { label: 'limited (429)', light: '#8250df', dark: '#bc8cff', path: 'M0,-5L5,4H-5z' },
  lost: {
    label: 'response lost on purpose',
    light: '#cf222e',
    dark: '#ff7b72',
    path: 'M-4.5,-3L-3,-4.5L0,-1.5L3,-4.5L4.5,-3L1.5,0L4.5,3L3,4.5L0,1.5L-3,4.5L-4.5,3L-1.5,0z',
  },
  failed: { label: 'failed', light: '#57606a', dark: '#9198a1', path: 'M0,-5.5L5.5,0L0,5.5L-5.5,0z' },
}
const OUTCOMES = entriesOf(STYLES)

function entriesOf<K extends string, V>(record: Record<K, V>): [K, V][] {
  const keys = Object.keys(record).filter((key): key is K => key in record)
  return keys.map((key) => [key, record[key]])
}

interface Row {
  label: string
  /** A second line is for the second copy of a request. */
  lines: Call[][]
  /** The first of its client. */
  first: boolean
}

/** The attempts of a run over time, as an SVG for light and dark pages. */
export function timelineSvg(calls: readonly Call[], seed: string): string {
  const rows = rowsOf(calls)
  const lineHeight = rows.length > 30 ? 13 : 17
  const heights = rows.map(({ lines }) => lines.length * lineHeight + 6)
  const height = TOP + heights.reduce((sum, one) => sum + one, 0) + BOTTOM
  const attempts = calls.flatMap((call) => call.attempts)
  const axis = axisOf(Math.max(1, ...attempts.map(({ endMs }) => endMs)))
  const x = (ms: number) => round(LEFT + (ms / axis.endMs) * (WIDTH - LEFT - RIGHT))

  const body: string[] = []
  let y = TOP
  for (const [n, row] of rows.entries()) {
    const rowHeight = heights[n] ?? 0
    if (row.first && n > 0) body.push(`<path class="rule" d="M12,${y}H${WIDTH - RIGHT}"/>`)
    body.push(`<text class="label" x="${LEFT - 14}" y="${round(y + rowHeight / 2 + 4)}">${row.label}</text>`)
    for (const [line, lineCalls] of row.lines.entries()) {
      const middle = y + 3 + (line + 0.5) * lineHeight
      for (const call of lineCalls) body.push(callSvg(call, x, round(middle)))
    }
    y += rowHeight
  }
  const plotted = new Set(calls.map(({ key }) => key)).size
  const clients = new Set(calls.map(({ client }) => client)).size
  const title = `${count(plotted, 'request')} of ${count(clients, 'client')}, ${count(attempts.length, 'attempt')}`
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title">`,
    `<title id="title">oncekey simulate: ${title}</title>`,
    `<style>${css()}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${height}"/>`,
    `<text class="title" x="16" y="30">${title}</text>`,
    `<text class="note" x="${WIDTH - RIGHT}" y="30" text-anchor="end">oncekey simulate --seed ${seed}</text>`,
    ...legend(),
    ...grid(axis, x, y),
    ...body,
    '</svg>',
  ].join('\n')}\n`
}

/** One row a request while they are few; else one a client, with a line for each of its copies. */
function rowsOf(calls: readonly Call[]): Row[] {
  const clients = groupBy([...calls].sort(byClient), ({ client }) => client)
  const requests = new Set(calls.map(({ key }) => key)).size
  return [...clients].flatMap(([client, own]): Row[] => {
    if (requests > MAX_REQUEST_ROWS) return [{ label: client, lines: linesOf(own), first: false }]
    const byNumber = [...groupBy(own, ({ number }) => number)]
    return byNumber.map(([number, copies], n) => ({
      label: `${client} ${number}`,
      lines: linesOf(copies),
      first: n === 0,
    }))
  })
}

function linesOf(calls: readonly Call[]): Call[][] {
  return [...groupBy(calls, ({ copy }) => copy).values()]
}

/** Map.groupBy() is not in Node.js 20. */
function groupBy<K, V>(values: readonly V[], keyOf: (value: V) => K): Map<K, V[]> {
  const groups = new Map<K, V[]>()
  for (const value of values) {
    const key = keyOf(value)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [value])
    else group.push(value)
  }
  return groups
}

function byClient(one: Call, other: Call): number {
  if (one.client.length !== other.client.length) return one.client.length - other.client.length
  if (one.client !== other.client) return one.client < other.client ? -1 : 1
  return one.number - other.number || one.copy - other.copy
}

/** The gaps first, so that the attempts lie on top of them. */
function callSvg({ client, number, copy, attempts }: Call, x: (ms: number) => number, y: number): string {
  const parts: string[] = []
  for (const [n, { startMs }] of attempts.entries()) {
    const before = attempts[n - 1]
    if (before !== undefined) parts.push(`<path class="gap" d="M${x(before.endMs)},${y}H${x(startMs)}"/>`)
  }
  for (const [n, { startMs, endMs, outcome, status }] of attempts.entries()) {
    const what = `${client} ${number}${copy > 1 ? ' (second copy)' : ''}, attempt ${n + 1}: ${outcome}${status === 0 ? '' : ` (${status})`}`
    const when = `after ${(startMs / 1_000).toFixed(3)} s, ${(endMs - startMs).toFixed(1)} ms`
    const name = outcome.replace(' ', '-')
    parts.push(
      `<g class="${name}"><title>${what}, ${when}</title>` +
        `<path class="time" d="M${x(startMs)},${y}H${x(endMs)}"/>` +
        `<path d="${STYLES[outcome].path}" fill-rule="evenodd" transform="translate(${x(endMs)},${y})"/></g>`,
    )
  }
  return parts.join('')
}

function legend(): string[] {
  const parts: string[] = []
  let at = 20
  for (const [outcome, { label, path }] of OUTCOMES) {
    parts.push(
      `<g class="${outcome.replace(' ', '-')}"><path d="${path}" fill-rule="evenodd" transform="translate(${at},56)"/></g>`,
      `<text class="note" x="${at + 11}" y="60">${label}</text>`,
    )
    at += 36 + label.length * 6.6
  }
  parts.push(
    `<path class="gap" d="M${round(at)},56h26"/>`,
    `<text class="note" x="${round(at + 33)}" y="60">waiting to retry</text>`,
  )
  return parts
}

interface Axis {
  endMs: number
  stepMs: number
  /** Milliseconds in one unit of the labels. */
  unitMs: number
  unit: string
}

/** At most ten steps of 1, 2 or 5 times a power of ten; the end is a step. */
function axisOf(lastMs: number): Axis {
  const power = 10 ** Math.floor(Math.log10(lastMs / 10))
  const stepMs = [1, 2, 5, 10].map((factor) => factor * power).find((step) => lastMs / step <= 10) ?? lastMs
  const [unitMs, unit] = lastMs < 2_000 ? [1, 'milliseconds'] : [1_000, 'seconds']
  return { endMs: Math.ceil(lastMs / stepMs) * stepMs, stepMs, unitMs, unit }
}

function grid({ endMs, stepMs, unitMs, unit }: Axis, x: (ms: number) => number, bottom: number): string[] {
  const parts: string[] = []
  for (let n = 0; n * stepMs <= endMs + stepMs / 2; n++) {
    const ms = n * stepMs
    parts.push(
      `<path class="grid" d="M${x(ms)},${TOP - 8}V${bottom + 4}"/>`,
      `<text class="tick" x="${x(ms)}" y="${bottom + 20}">${round(ms / unitMs)}</text>`,
    )
  }
  parts.push(
    `<text class="tick" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${bottom + 42}">${unit} since the start</text>`,
  )
  return parts
}

function css(): string {
  const colours = (shade: 'light' | 'dark') =>
    OUTCOMES.map(([outcome, style]) => {
      const name = outcome.replace(' ', '-')
      return `.${name}{fill:${style[shade]};stroke:${style[shade]}}`
    }).join('')
  return [
    'text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;fill:#1f2328;stroke:none}',
    '.title{font-size:17px;font-weight:600}.note,.tick{fill:#59636e}.tick{text-anchor:middle}.label{text-anchor:end}',
    '.ground{fill:#ffffff}.grid{stroke:#d1d9e0}.rule{stroke:#d1d9e0}',
    '.gap{stroke:#818b98;stroke-width:1.4;stroke-dasharray:2 3;fill:none}',
    'g{stroke-width:0}g .time{stroke-width:5;stroke-opacity:.45}',
    colours('light'),
    '@media (prefers-color-scheme:dark){',
    'text{fill:#f0f6fc}.note,.tick{fill:#9198a1}.ground{fill:#0d1117}.grid,.rule{stroke:#2b3138}.gap{stroke:#7d8590}',
    colours('dark'),
    '}',
  ].join('')
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`
}

function round(number: number): number {
  return Math.round(number * 100) / 100
}
