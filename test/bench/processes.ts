import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { inPath } from '../support/programs.ts'

export const CONTESTANT_CORE = '0'
/** Of the load and of the servers that contestants use. */
export const LOAD_CORE = '1'
export const ALL_CORES = `0-${cpus().length - 1}`

/** undefined: processes can be pinned here; else why not. */
export function whyNotPinned(): string | undefined {
  if (inPath('taskset') === undefined) return 'there is no taskset on this machine'
  return cpus().length < 2 ? 'this machine has one core' : undefined
}

/** With all its threads, and what it will start. */
export function pin(pid: number, cores: string): void {
  const { status, stderr } = spawnSync('taskset', ['-a', '-c', '-p', cores, `${pid}`], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`process ${pid} cannot be pinned to core ${cores}: ${stderr}`)
}

interface Stat {
  pid: number
  parent: number
  /** Of its own. */
  ticks: number
  /** Of children that have ended. */
  childTicks: number
}

/** A tick of /proc. */
const TICK_US = 10_000

/** CPU time so far of a process, its children and theirs, in µs; NaN where there is no /proc. */
export function treeCpuUs(pid: number): number {
  if (process.platform !== 'linux') return Number.NaN
  return (
    TICK_US *
    treeOf(pid).reduce((sum, stat) => sum + stat.ticks + (stat.pid === pid ? stat.childTicks : 0), 0)
  )
}

/** CPU time so far of everything on this machine, in µs; NaN where there is no /proc. */
export function machineCpuUs(): number {
  if (process.platform !== 'linux') return Number.NaN
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
  // "cpu user nice system idle iowait irq softirq steal ...": what a guest uses is in user already.
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .split(/ +/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq + steal) * TICK_US
}

/** From now on peakRssMb() says the highest from now on. */
export function forgetPeakRss(pid: number): void {
  if (process.platform !== 'linux') return
  for (const stat of treeOf(pid)) writeFileSync(`/proc/${stat.pid}/clear_refs`, '5')
}

/** The sum over a process and its children, each at its own highest. */
export function peakRssMb(pid: number): number {
  if (process.platform !== 'linux') return Number.NaN
  const kb = treeOf(pid).map((stat) => {
    const [, number] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${stat.pid}/status`, 'utf8')) ?? []
    return Number(number)
  })
  return kb.reduce((sum, one) => sum + one, 0) / 1_024
}

function treeOf(root: number): Stat[] {
  const all = readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      return [statOf(Number(name))]
    } catch {
      // It has ended meanwhile.
      return []
    }
  })
  const tree = all.filter(({ pid }) => pid === root)
  for (const found of tree) tree.push(...all.filter(({ parent }) => parent === found.pid))
  return tree
}

function statOf(pid: number): Stat {
  // "pid (name) state ppid ...": the name may hold spaces and parentheses.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ').map(Number) ?? []
  const at = (n: number) => fields[n] ?? 0
  return { pid, parent: at(1), ticks: at(11) + at(12), childTicks: at(13) + at(14) }
}
