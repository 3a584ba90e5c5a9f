import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { systemName } from './availability.ts'
import { CASES, STATIC_CASES, type Verdict } from './cases.ts'
import { KILLED_IN, type KilledIn } from './kills.ts'
import type { TriedBackend } from './try-backend.ts'

const DOCUMENT = fileURLToPath(new URL('../../docs/sidecar.md', import.meta.url))
const BEGIN = '<!-- Written by npm run test:backends -- --write -->'
const END = '<!-- until here -->'

const KILL_TITLES: Record<KilledIn, string> = {
  wait: 'before it',
  'half-length': 'with a length',
  'half-chunked': 'without a length',
  'half-events': 'event stream',
  'half-large': '100 MiB',
}

function shown(verdict: Verdict | undefined): string {
  if (verdict === undefined) return ''
  return verdict === 'ok' ? '✓' : verdict === 'none' ? '–' : verdict
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)]
}

/** Three tables: what came of each case, of each kill, and of the servers of files. */
export function tableOf(tried: readonly TriedBackend[]): string {
  const programs = tried.filter(({ isStatic }) => !isStatic)
  const files = tried.filter(({ isStatic }) => isStatic)
  const named = ({ name, version }: TriedBackend) => `${name} ${version}`
  const cases = table(
    ['backend', ...CASES.map(({ title }) => title)],
    programs.map((one) => [named(one), ...CASES.map(({ name }) => shown(one.verdicts.get(name)))]),
  )
  const kills = table(
    ['killed', ...KILLED_IN.map((path) => KILL_TITLES[path])],
    programs.flatMap((one) => {
      const row = (before: string, what: string) => [
        what,
        ...KILLED_IN.map((path) => shown(one.verdicts.get(`${before} ${path}`))),
      ]
      const inner = one.verdicts.has('inner wait') ? [row('inner', `${one.name}: what is behind it`)] : []
      return [row('killed', one.name), ...inner]
    }),
  )
  const served = table(
    ['files', ...STATIC_CASES.map(({ title }) => title), 'killed in 100 MiB'],
    files.map((one) => [
      named(one),
      ...[...STATIC_CASES.map(({ name }) => name), 'killed'].map((name) => shown(one.verdicts.get(name))),
    ]),
  )
  return [...cases, '', ...kills, ...(files.length > 0 ? ['', ...served] : [])].join('\n')
}

export function writeTable(tried: readonly TriedBackend[]): void {
  const text = readFileSync(DOCUMENT, 'utf8')
  const [before = '', rest] = text.split(BEGIN)
  const [, after] = rest?.split(END) ?? []
  if (after === undefined) throw new Error(`${DOCUMENT} has no place for the table: ${BEGIN} ... ${END}`)
  const when = `On ${systemName()}:`
  writeFileSync(DOCUMENT, `${before}${BEGIN}\n${when}\n\n${tableOf(tried)}\n${END}${after}`)
}
