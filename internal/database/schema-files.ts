import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The name under which `schema_migrations` has the functions. */
export const FUNCTIONS = 'functions'

/** Brings a database with the migrations of version 0.1 to the state of the files 001 to 006. */
export const UPGRADE = '012_from_0_1_breaking.sql'

export interface SchemaFiles {
  /** Names of the numbered files, in order. Each is applied once. */
  numbered: readonly string[]
  text(name: string): string
  /**
   * The functions and views of `functions/`, and the comments on tables and columns, which stand in the numbered files:
   * applied again when one of them has changed.
   */
  functions: { text: string; checksum: string }
  /** Of the package whose folder `sql` this is. A program of an older version does not put its functions back. */
  version: string
}

export function readSchemaFiles(directory: string): SchemaFiles {
  const text = (name: string) => readFileSync(join(directory, name), 'utf8')
  const numbered = readdirSync(directory)
    .filter((name) => /^\d{3}_\w+\.sql$/.test(name))
    .sort()
  const comments = numbered.flatMap((name) => text(name).match(/^COMMENT ON [\s\S]*?';$/gm) ?? [])
  const functions = [...functionFiles(directory).map(text), ...comments].join('\n')
  return {
    numbered,
    text: (name) => text(name === UPGRADE ? join('upgrade', name) : name),
    functions: { text: functions, checksum: createHash('sha256').update(functions).digest('hex') },
    version: versionBeside(directory),
  }
}

function functionFiles(directory: string): string[] {
  if (!existsSync(join(directory, 'functions'))) return []
  return readdirSync(join(directory, 'functions'))
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => join('functions', name))
}

function versionBeside(directory: string): string {
  const file = join(directory, '..', 'package.json')
  if (!existsSync(file)) return '0.0.0'
  const manifest: unknown = JSON.parse(readFileSync(file, 'utf8'))
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : '0.0.0'
}

/** Whether version `a`, such as 0.10.1, is newer than `b`. */
export function isNewer(a: string, b: string): boolean {
  const [x, y] = [a, b].map((version) => version.split(/[.-]/).slice(0, 3).map(Number))
  const first = x?.findIndex((part, n) => part !== y?.[n]) ?? -1
  return first >= 0 && (x?.[first] ?? 0) > (y?.[first] ?? 0)
}
