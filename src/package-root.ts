import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder with package.json and sql/, whether this file runs from src/ or from dist/src/. */
const PACKAGE_ROOT = find(dirname(fileURLToPath(import.meta.url)))

function find(directory: string): string {
  if (existsSync(join(directory, 'package.json'))) return directory
  const parent = dirname(directory)
  if (parent === directory) throw new Error('the package is not whole: there is no package.json')
  return find(parent)
}

/**
 * The folder of the schema, for `migrate`.
 *
 * @example await migrate(database, SQL_DIRECTORY)
 */
export const SQL_DIRECTORY = join(PACKAGE_ROOT, 'sql')

const manifest: unknown = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8'))
export const VERSION =
  typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown'
