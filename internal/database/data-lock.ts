import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { errorMessage } from '../core/error-message.ts'
import { makeDirectory } from '../core/make-directory.ts'
import { parseJson } from '../core/parse-json.ts'
import { codeOf } from './outage.ts'

interface Owner {
  pid: number
  host: string
  /** The start time of the process, '' if unknown. With it a reused pid is not mistaken for the owner. */
  started: string
}

const REFRESH_MS = 2_000
/** After this time without a refresh the owner counts as dead. Only used for an owner on another host. */
const STALE_MS = 15_000

/**
 * Locks a data directory for this process. Throws an Error that names the owner if another process has it. The lock of a
 * dead process is taken over: on the same host at once, from another host (a replaced container) after 15 s without a
 * refresh.
 */
export function lockDirectory(directory: string): { release(): void } {
  const path = join(directory, 'lock')
  const mine = join(directory, `lock.${process.pid}`)
  const me: Owner = { pid: process.pid, host: hostname(), started: startTime(process.pid) }
  try {
    makeDirectory(directory, 0o700)
    writeFileSync(mine, JSON.stringify(me), { mode: 0o600 })
  } catch (error) {
    const reason = errorMessage(error)
    throw new Error(
      `the data directory ${directory} cannot be used: ${reason}; set DATA_DIR to another directory`,
    )
  }
  try {
    while (!tryLink(mine, path)) {
      const found = read(path)
      if (found === undefined) continue
      if (isAlive(found, path)) {
        throw new Error(
          `the data directory ${directory} is in use by process ${found.pid} on ${found.host}; ` +
            'stop that process, or set DATA_DIR to another directory',
        )
      }
      discard(path, found)
    }
  } finally {
    rmSync(mine, { force: true })
  }
  const refresh = setInterval(() => {
    try {
      utimesSync(path, new Date(), new Date())
    } catch {
      // Another program removed the directory; the error of the database will be clearer.
    }
  }, REFRESH_MS)
  refresh.unref()
  return {
    release() {
      clearInterval(refresh)
      rmSync(path, { force: true })
    },
  }
}

/** Creates the lock with its content in one atomic step (link(2)); false if the lock exists. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

function read(path: string): Owner | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
  const found = parseJson(text)
  // A lock is created with its content, so only a power failure can leave an empty one.
  if (/^\0*$/.test(text)) return { pid: 0, host: 'no host', started: '' }
  if (
    typeof found === 'object' &&
    found !== null &&
    'pid' in found &&
    'host' in found &&
    'started' in found
  ) {
    return { pid: Number(found.pid), host: String(found.host), started: String(found.started) }
  }
  throw new Error(
    `${path} is not a lock of oncekey; if no other process uses the directory, remove that file`,
  )
}

function isAlive(owner: Owner, path: string): boolean {
  if (owner.host !== hostname()) return Date.now() - statSync(path).mtimeMs < STALE_MS
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    return codeOf(error) === 'EPERM'
  }
  return owner.started === startTime(owner.pid)
}

/** Removes the lock of a dead owner. Only one of several processes that try this renames the file that it has read. */
function discard(path: string, dead: Owner): void {
  const aside = `${path}.dead.${process.pid}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  const moved = read(aside)
  // Another process has taken the lock between reading and renaming, so restore its lock.
  if (moved !== undefined && (moved.pid !== dead.pid || moved.started !== dead.started)) tryLink(aside, path)
  rmSync(aside, { force: true })
}

/** Field 22 of /proc/PID/stat, in clock ticks since boot; '' without such a file. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}
