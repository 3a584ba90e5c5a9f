import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { systemName } from '../backends/availability.ts'
import type { FrontReport } from './checks.ts'

export interface TriedFront {
  name: string
  version: string
  plain: FrontReport
  recommended: FrontReport
}

const DOCUMENT = fileURLToPath(new URL('../../docs/proxies.md', import.meta.url))
const BEGIN = '<!-- Written by npm run test:fronts -- --write -->'
const END = '<!-- until here -->'

/** What recommended settings must do. `errors` differ: none of these proxies speaks of problems by itself. */
const MUST: readonly (keyof FrontReport)[] = ['orders', 'address', 'host', 'caching']

/** Targets that no setting makes a proxy pass on as they came. */
const STILL_CHANGED: Readonly<Record<string, readonly string[]>> = {
  nghttpx: ['/a//b', '/a/./b', '/a/../b', '/a%7Eb', '/a?', '/%61', '/a%c3%a4'],
  'Traffic Server': ['/a?'],
}

/** Where the settings of docs/proxies.md do not do what that page says. */
export function faultsOf({ name, recommended }: TriedFront): string[] {
  const faults = MUST.filter((check) => recommended[check] !== 'ok').map(
    (check) => `${check}: ${recommended[check]}`,
  )
  const changed =
    recommended.targets === 'ok' ? [] : recommended.targets.split(', ').map((one) => one.split(' ')[0] ?? '')
  const unexpected = changed.filter((target) => !STILL_CHANGED[name]?.includes(target))
  if (unexpected.length > 0) faults.push(`targets: ${unexpected.join(', ')}`)
  // What reads, and what has a key, may be sent again.
  if (/POST (?:without a body )?\d/.test(recommended.resends)) faults.push(`resends: ${recommended.resends}`)
  if (recommended.errors.includes(';')) faults.push(`errors: ${recommended.errors}`)
  return faults
}

const TITLES: readonly [keyof FrontReport, string][] = [
  ['orders', 'signed orders'],
  ['targets', 'signed targets that are refused'],
  ['address', 'address of a client'],
  ['resends', 'sent more than once'],
  ['caching', 'caching'],
  ['errors', 'nothing behind it'],
]

/** Markdown knows no line in a cell, and takes some characters of a target for its own. */
function shown(text: string): string {
  if (text === 'ok') return '✓'
  return text.replaceAll(/(?<!\w)\/\S+/g, (target) => `\`${target.replace('|', '')}\``)
}

export function tableOf(tried: readonly TriedFront[]): string {
  const rows = tried.flatMap(({ name, version, plain, recommended }) => [
    [`${name} ${version}`, ...TITLES.map(([check]) => shown(plain[check]))],
    ['with these settings', ...TITLES.map(([check]) => shown(recommended[check]))],
  ])
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const head = ['proxy', ...TITLES.map(([, title]) => title)]
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n')
}

export function writeTable(tried: readonly TriedFront[]): void {
  const text = readFileSync(DOCUMENT, 'utf8')
  const [before = '', rest] = text.split(BEGIN)
  const [, after] = rest?.split(END) ?? []
  if (after === undefined) throw new Error(`${DOCUMENT} has no place for the table: ${BEGIN} ... ${END}`)
  writeFileSync(DOCUMENT, `${before}${BEGIN}\nOn ${systemName()}:\n\n${tableOf(tried)}\n${END}${after}`)
}
