import { linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { makeDirectory } from '../core/make-directory.ts'
import { codeOf } from './outage.ts'

interface Owner {
  pid: number
  host: string
  /** Start time of the process where the system tells it, so that a reused pid is not taken for the owner. */
  started: string
}

const REFRESH_MS = 2_000
/** Longer than a stalled owner is likely to miss its refresh. Only asked when the owner is on another host. */
const STALE_MS = 15_000

/**
 * One process at a time in a data directory. Throws a plain Error that names the owner. The lock of a dead process is
 * taken over: on the same host at once, from another host (a replaced container) after 15 s without a refresh.
 */
export function lockDirectory(directory: string): { release(): void } {
  const path = join(directory, 'lock')
  const mine = join(directory, `lock.${process.pid}`)
  const me: Owner = { pid: process.pid, host: hostname(), started: startTime(process.pid) }
  try {
    makeDirectory(directory, 0o700)
    writeFileSync(mine, JSON.stringify(me), { mode: 0o600 })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`the data directory ${directory} cannot be used: ${reason}; DATA_DIR names another one`)
  }
  try {
    while (!tryLink(mine, path)) {
      const found = read(path)
      if (found === undefined) continue
      if (isAlive(found, path)) {
        throw new Error(
          `the data directory ${directory} is in use by process ${found.pid} on ${found.host}; ` +
            'stop that one, or give this one a DATA_DIR of its own',
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
      // Another program removed the directory; the database will say so better than we can.
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

/** link(2) creates the lock with its content in one step, or fails because it is there. */
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
  // A lock has its content from the start: only a power cut leaves one without.
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
  throw new Error(`${path} is not a lock of ours; if no other process uses the directory, remove that file`)
}

/** undefined: it is none. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
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

/** Moves a dead owner's lock away. Two processes may try: only one gets the file that both have read. */
function discard(path: string, dead: Owner): void {
  const aside = `${path}.dead.${process.pid}`
  try {
    renameSync(path, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  const moved = read(aside)
  // Between reading and moving, another process took the lock: it is theirs, give it back.
  if (moved !== undefined && (moved.pid !== dead.pid || moved.started !== dead.started)) tryLink(aside, path)
  rmSync(aside, { force: true })
}

/** Field 22 of /proc/PID/stat, clock ticks since boot; '' where there is no such file. */
function startTime(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}
