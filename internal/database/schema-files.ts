import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** The name of the functions in `schema_migrations`. */
export const FUNCTIONS = 'functions'

/** The row of `schema_migrations` for distributed tables. Older programs refuse a database with it. */
export const DISTRIBUTED = 'distributed_breaking.sql'

/** Migrates a database of version 0.1 to the state of the files 001 to 006. */
export const UPGRADE = '012_from_0_1_breaking.sql'

export interface Functions {
  text: string
  checksum: string
}

export interface SchemaFiles {
  /** Names of the numbered files, in order. Each is applied once. */
  numbered: readonly string[]
  text(name: string): string
  /** The functions and views of `functions/` and the comments of the numbered files; applied again when one has changed. */
  functions: Functions
  /** The same for a distributed database: the files of `distributed/` replace others. */
  distributedFunctions: Functions
  /** The version of the package of this `sql` folder. An older program does not replace functions of a newer one. */
  version: string
}

export function readSchemaFiles(directory: string): SchemaFiles {
  const text = (name: string) => readFileSync(join(directory, name), 'utf8')
  const numbered = readdirSync(directory)
    .filter((name) => /^\d{3}_\w+\.sql$/.test(name))
    .sort()
  const comments = numbered.flatMap((name) => text(name).match(/^COMMENT ON [\s\S]*?';$/gm) ?? [])
  const functions = filesIn(directory, 'functions')
  const distributed = [...filesIn(directory, 'distributed'), join('distributing', 'functions.sql')]
  return {
    numbered,
    text: (name) => text(name === UPGRADE ? join('upgrade', name) : name),
    functions: withChecksum([...functions.map(text), ...comments]),
    get distributedFunctions() {
      return withChecksum([...functions.map(text), ...comments, ...distributed.map(text)])
    },
    version: versionBeside(directory),
  }
}

function withChecksum(texts: readonly string[]): Functions {
  const text = texts.join('\n')
  return { text, checksum: createHash('sha256').update(text).digest('hex') }
}

function filesIn(directory: string, folder: string): string[] {
  if (!existsSync(join(directory, folder))) return []
  return readdirSync(join(directory, folder))
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => join(folder, name))
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
