import { CONTESTANTS } from './contestants.ts'
import type { Measured } from './measure.ts'
import { PATHS, type Path } from './paths.ts'
import { ratioTo } from './ratio.ts'
import type { Reach } from './reach.ts'

export interface Report {
  measured: readonly Measured[]
  reaches: readonly Reach[]
  /** A line each: on what it was measured, and how. */
  circumstances: readonly string[]
}

/** Markdown, to be pasted. */
export function markdown({ measured, reaches, circumstances }: Report): string {
  const paths = PATHS.filter(({ name }) => measured.some(({ path }) => path === name))
  const contestants = CONTESTANTS.filter(({ name }) => measured.some(({ contestant }) => contestant === name))
  return [
    circumstances.map((line) => `- ${line}`).join('\n'),
    contestants.map(({ name, what }) => `- \`${name}\`: ${what}`).join('\n'),
    ...paths.map((path) =>
      section(
        path,
        measured.filter((one) => one.path === path.name),
      ),
    ),
    ...(reaches.length === 0 ? [] : [reachTable(reaches)]),
  ].join('\n\n')
}

/** What ratios are to: the floors of the contest, or the first of it. */
function floorsOf(measured: readonly Measured[]): Measured[] {
  const floors = CONTESTANTS.filter(({ kind }) => kind === 'floor').map(({ name }) => name)
  const found = measured.filter(({ contestant }) => floors.includes(contestant))
  return found.length > 0 ? found : measured.slice(0, 1)
}

function section(path: Path, measured: readonly Measured[]): string {
  const floors = floorsOf(measured)
  const heads = [
    ...['', 'requests/s', ...floors.map(({ contestant }) => `/ ${contestant}`), 'p50 ms', 'p99 ms'],
    ...['CPU µs each: server', 'Redis', 'PostgreSQL', 'load', 'peak MB'],
  ]
  const rows = measured.map((one) => [
    ...[`\`${one.contestant}\``, number(one.rate, 0)],
    ...floors.map((floor) => number(ratioTo(floor, one), 2)),
    ...[number(one.p50Ms, 2), number(one.p99Ms, 2), number(one.cpuUs.server, 1)],
    ...[number(one.cpuUs.redis, 1), number(one.cpuUs.postgres, 1), number(one.cpuUs.load, 1)],
    number(one.peakRssMb, 0),
  ])
  return `**${path.name}**: ${path.what}\n\n${table(heads, rows)}`
}

function reachTable(reaches: readonly Reach[]): string {
  const rows = reaches.map(({ what, value, wanted, reached }) => [
    ...[what, number(value, 2), wanted, reached ? 'yes' : '**no**'],
  ])
  return table(['', 'measured', 'wanted', 'reached'], rows)
}

function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(heads), `|---|${'--:|'.repeat(heads.length - 1)}`, ...rows.map(line)].join('\n')
}

function number(value: number, decimals: number): string {
  return Number.isFinite(value) ? value.toFixed(decimals) : '-'
}
