import { chmodSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

/** For its owner alone: the directory, which keeps other users out, and what is in it. */
export function makePrivate(directory: string): void {
  chmodSync(directory, 0o700)
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) makePrivate(path)
    else if (entry.isFile()) chmodSync(path, 0o600)
  }
}
