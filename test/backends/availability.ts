import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { inPath } from '../support/programs.ts'
import type { Need } from './backend-kind.ts'
import { PROGRAMS } from './language-backends.ts'

/** What a kind of server needs. */
interface Needing {
  name: string
  needs: readonly Need[]
  npm?: boolean
}

const has = (file: string): boolean => (file.startsWith('/') ? existsSync(file) : inPath(file) !== undefined)
const hasPackages = (): boolean => existsSync(join(PROGRAMS, 'node_modules/.package-lock.json'))

/** What is missing, in words; '' if nothing. */
function missingOf({ needs, npm }: Needing): string {
  const packages = needs.filter(([file]) => !has(file)).map(([, debianPackage]) => debianPackage)
  if (npm === true && !hasPackages()) packages.push('npm ci in test/backends/programs')
  return packages.join(', ')
}

/** Installs what is missing: as root on Debian with apt-get, and what comes from npm. Throws where that is not possible. */
function install(kinds: readonly Needing[]): void {
  const missing = new Set(
    kinds.flatMap(({ needs }) => needs.filter(([file]) => !has(file)).map(([, name]) => name)),
  )
  if (missing.size > 0) {
    const apt = inPath('apt-get')
    if (process.getuid?.() !== 0 || apt === undefined) throw new Error('--install is for root on Debian')
    // No server that is installed is to be started; an administrator's own policy stays.
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
    run(apt, ['install', '-y', '--no-install-recommends', ...missing], env)
  }
  if (kinds.some(({ npm }) => npm === true) && !hasPackages()) {
    run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', PROGRAMS], process.env)
  }
}

function run(program: string, args: string[], env: NodeJS.ProcessEnv): void {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 2, 2], env })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed`, { cause: error })
}

/** The first number in what the command prints, such as 2.4.71. */
export function versionOf([program, ...args]: readonly [string, ...string[]]): string {
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' })
  return /\d+(?:\.\d+)+/.exec(`${stdout}\n${stderr}`)?.[0] ?? 'unknown'
}

/** Of the system, for the head of a table. */
export function systemName(): string {
  const file = '/etc/os-release'
  if (!existsSync(file)) return `${process.platform}`
  const text = execFileSync('sh', ['-c', `. ${file}; printf %s "$PRETTY_NAME"`], { encoding: 'utf8' })
  return text.replace(/ \(.*/, '')
}

interface Choice {
  only?: string | undefined
  install: boolean
  list: boolean
}

/** What says which kinds to try, as parseArgs wants it. */
export const CHOICE = {
  list: { type: 'boolean', default: false },
  only: { type: 'string' },
  install: { type: 'boolean', default: false },
  write: { type: 'boolean', default: false },
} as const

/**
 * Of these kinds those that are asked for, divided into what is there and what is missing, which is printed. Ends the
 * process after a list, and where there is nothing to try.
 */
export function chosen<Kind extends Needing>(
  noun: string,
  all: readonly Kind[],
  { only, install: isInstalling, list }: Choice,
): { there: Kind[]; missing: Kind[] } {
  const words = only?.toLowerCase().split(',')
  const kinds = all.filter(({ name }) => words?.some((word) => name.toLowerCase().includes(word)) ?? true)
  if (isInstalling) install(kinds)
  const missing = kinds.filter((kind) => missingOf(kind) !== '')
  for (const kind of missing) console.log(`missing: ${kind.name} needs ${missingOf(kind)}`)
  if (missing.length > 0) console.log('apt-get install them, or run this with --install as root on Debian')
  const there = kinds.filter((kind) => !missing.includes(kind))
  if (list) {
    for (const { name } of there) console.log(`there: ${name}`)
    process.exit(0)
  }
  if (there.length === 0) {
    console.error(`not ok: there is no ${noun} to try`)
    process.exit(1)
  }
  return { there, missing }
}
