import { spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the peers are, with dependencies of their own. */
export const PEERS = fileURLToPath(new URL('./peers', import.meta.url))

/** When they are not installed, or are others than the lock file says. Throws when npm fails. */
export function installPeers(): void {
  const modified = (file: string) => statSync(join(PEERS, file), { throwIfNoEntry: false })?.mtimeMs ?? -1
  if (modified('node_modules/.package-lock.json') >= modified('package-lock.json')) return
  process.stderr.write('installing what the peers need (npm ci in test/bench/peers) ...\n')
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund']
  const { status, error } = spawnSync('npm', args, { cwd: PEERS, stdio: ['ignore', 2, 2] })
  if (status !== 0)
    throw new Error('the peers cannot be installed; leave them out with --contestants', { cause: error })
}
