import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'

/** Whether something listens on this port, or on this file. */
export async function listens(at: number | string): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = typeof at === 'number' ? connect(at, '127.0.0.1') : connect(at)
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** A child of a process that was killed may stay as a zombie; its sockets are closed when its last thread has ended. */
export function isGone(pid: number): boolean {
  try {
    if (process.platform !== 'linux') return !process.kill(pid, 0)
    const isZombie = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.startsWith('Z') === true
    return isZombie && readdirSync(`/proc/${pid}/task`).length <= 1
  } catch {
    return true
  }
}

export function signalAll(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
}

export function descendantsOf(parent: number): number[] {
  const pairs = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
  const below = (of: number): number[] =>
    pairs.flatMap(([pid = 0, ppid = 0]) => (ppid === of ? [pid, ...below(pid)] : []))
  return below(parent)
}

export function isScript(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('cgi.pl')
  } catch {
    return false
  }
}

/** A process and all that it has started, as far as they still run. */
export function treeOf(pid: number): number[] {
  return [pid, ...descendantsOf(pid)].filter((one) => !isGone(one))
}
