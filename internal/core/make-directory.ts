import { existsSync, mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Creates a directory and its missing parents. Throws if one of them cannot be created. Not `mkdirSync` with `recursive`: in
 * Node.js 20 it never returns if the system reports ENOENT, as in `/proc` or below a deleted working directory.
 */
export function makeDirectory(path: string, mode?: number): void {
  const missing: string[] = []
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.unshift(at)
  for (const one of missing) {
    try {
      mkdirSync(one, mode)
    } catch (error) {
      // Another process has created it.
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
  }
}
