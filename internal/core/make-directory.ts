import { existsSync, mkdirSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Makes a directory and those above it that are missing. Throws where one of them cannot be made. `mkdirSync` of Node.js 20 with
 * `recursive` never returns where the system has no room for one (ENOENT): in `/proc`, or below a working directory that was
 * deleted.
 */
export function makeDirectory(path: string, mode?: number): void {
  const missing: string[] = []
  for (let at = resolve(path); !existsSync(at); at = dirname(at)) missing.unshift(at)
  for (const one of missing) {
    try {
      mkdirSync(one, mode)
    } catch (error) {
      // Another process has made it meanwhile.
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    }
  }
}
