import type { Measured, Round } from './measure.ts'
import { PATHS, type Path } from './paths.ts'
import { ratioTo } from './ratio.ts'
import type { Reach } from './reach.ts'
import { median } from './statistics.ts'

export interface Report {
  measured: readonly Measured[]
  reaches: readonly Reach[]
  /** A line each: on what it was measured, and how. */
  circumstances: readonly string[]
}

/** Markdown, to be pasted. */
export function markdown({ measured, reaches, circumstances }: Report): string {
  const paths = PATHS.filter(({ name }) => measured.some(({ path }) => path === name))
  const contestants = new Map(measured.map(({ contestant, what }) => [contestant, what]))
  return [
    circumstances.map((line) => `- ${line}`).join('\n'),
    [...contestants].map(([name, what]) => `- \`${name}\`: ${what}`).join('\n'),
    ...paths.map((path) =>
      section(
        path,
        measured.filter((one) => one.path === path.name),
      ),
    ),
    ...comparisons(measured),
    ...(reaches.length === 0 ? [] : [reachTable(reaches)]),
  ].join('\n\n')
}

/** What ratios are to: the floors of the contest, or the first of it. */
function floorsOf(measured: readonly Measured[]): Measured[] {
  const found = measured.filter(({ kind }) => kind === 'floor')
  return found.length > 0 ? found : measured.slice(0, 1)
}

function section(path: Path, measured: readonly Measured[]): string {
  const floors = floorsOf(measured)
  const heads = [
    ...['', 'requests/s', ...floors.map(({ contestant }) => `/ ${contestant}`), 'p50 ms', 'p99 ms'],
    ...['CPU µs each: server', 'Redis', 'PostgreSQL', 'load', 'garbage KiB', 'peak MB', 'other cores'],
  ]
  const rows = measured.map((one) => [
    ...[`\`${one.contestant}\``, number(one.rate, 0)],
    ...floors.map((floor) => number(ratioTo(floor, one), 2)),
    ...[number(one.p50Ms, 2), number(one.p99Ms, 2), number(one.cpuUs.server, 1)],
    ...[number(one.cpuUs.redis, 1), number(one.cpuUs.postgres, 1), number(one.cpuUs.load, 1)],
    ...[number(one.garbageKb, 1), number(one.peakRssMb, 0)],
    number(median(one.rounds.map(({ otherCores }) => otherCores)), 2),
  ])
  return `**${path.name}**: ${path.what}\n\n${table(heads, rows)}`
}

/** Each build with this one, by the medians of the ratios within rounds: nothing where there is no other build. */
function comparisons(measured: readonly Measured[]): string[] {
  const rows = measured.flatMap((other) => {
    const own = measured.find(
      ({ path, contestant }) => path === other.path && other.contestant.startsWith(`${contestant}@`),
    )
    if (own === undefined) return []
    const ratio = (value?: (round: Round) => number) => number(ratioTo(other, own, value), 2)
    return [
      [
        ...[other.path, `\`${own.contestant}\` / \`${other.contestant}\``],
        ...[ratio(), ratio(({ serverUs }) => serverUs), ratio(({ p99Ms }) => p99Ms)],
        number(own.garbageKb / other.garbageKb, 2),
      ],
    ]
  })
  return rows.length === 0 ? [] : [table(['path', '', 'rate', 'CPU', 'p99', 'garbage'], rows)]
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
