import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { atProcessEnd } from './process-end.ts'

/** An operating system user to run as. */
export interface User {
  uid: number
  gid: number
}

export interface ServerCommand {
  program: string
  args: string[]
  /** Where standard output and error go, appended; shown when the server does not start. */
  log: string
  user: User | undefined
  /** Ends it without waiting for its clients. */
  stopSignal: NodeJS.Signals
  /** Resolves when the server responds, rejects while it does not. */
  probe: () => Promise<void>
  /** Besides the environment of the test. */
  env?: Record<string, string>
}

const START_MS = 30_000
const STOP_MS = 5_000
const POLL_MS = 20

const running = new Set<ServerProcess>()

/** A server that a test starts, stalls and kills. What still runs when the test process ends is ended with it. */
export class ServerProcess {
  readonly #command: ServerCommand
  readonly #child: ChildProcess
  #ended = false

  private constructor(command: ServerCommand) {
    this.#command = command
    const log = openSync(command.log, 'a')
    this.#child = spawn(command.program, command.args, {
      stdio: ['ignore', log, log],
      cwd: '/',
      env: { ...process.env, ...command.env },
      ...command.user,
    })
    running.add(this)
    const ended = () => {
      this.#ended = true
      running.delete(this)
    }
    this.#child.once('exit', ended).once('error', ended)
    // A test that forgets its server still ends; the server goes with it.
    this.#child.unref()
  }

  /** Resolves when it responds. */
  static async start(command: ServerCommand): Promise<ServerProcess> {
    const server = new ServerProcess(command)
    const deadline = Date.now() + START_MS
    for (;;) {
      try {
        if (!server.#ended) await command.probe()
        // It may be another program that responds there, while ours could not have the port.
        if (!server.#ended) return server
      } catch {
        // Not yet.
      }
      if (server.#ended || Date.now() > deadline) {
        await server.kill()
        throw new Error(
          `${command.program} does not start:\n${readFileSync(command.log, 'utf8').slice(-2_000)}`,
        )
      }
      await sleep(POLL_MS)
    }
  }

  get pid(): number {
    const { pid } = this.#child
    if (pid === undefined) throw new Error(`${this.#command.program} could not be run`)
    return pid
  }

  /** Stalls it and its children with SIGSTOP: its connections stay open, and nothing responds. */
  pause(): void {
    // The parent first, so that it starts no child in between.
    signal([this.pid], 'SIGSTOP')
    signal(childrenOf(this.pid), 'SIGSTOP')
  }

  resume(): void {
    signal([...childrenOf(this.pid), this.pid], 'SIGCONT')
  }

  /** As an operator stops it, paused or not; by force after some seconds. */
  async stop(): Promise<void> {
    if (this.#ended) return
    this.resume()
    signal([this.pid], this.#command.stopSignal)
    const timer = setTimeout(() => this.#killAll(), STOP_MS)
    await this.#exit()
    clearTimeout(timer)
  }

  /** SIGKILL, to its children too: nothing of it runs on when this resolves. */
  async kill(): Promise<void> {
    if (this.#ended || this.#child.pid === undefined) return
    this.#killAll()
    await this.#exit()
  }

  /** For the end of the process, when nothing can be awaited. */
  abandon(): void {
    if (!this.#ended && this.#child.pid !== undefined) this.#killAll()
  }

  #killAll(): void {
    const children = childrenOf(this.pid)
    signal([this.pid, ...children], 'SIGKILL')
  }

  async #exit(): Promise<void> {
    if (this.#ended) return
    this.#child.ref()
    await once(this.#child, 'exit')
  }
}

atProcessEnd(() => {
  for (const server of running) server.abandon()
})

function signal(pids: number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch {
      // It has ended by itself.
    }
  }
}

/**
 * Ends what still runs with this working directory. A child that PostgreSQL forked while it was being killed outlives it
 * for a while and keeps its shared memory: the next start then fails. Elsewhere than on Linux it ends by itself only.
 */
export function endProcessesIn(directory: string): void {
  if (process.platform !== 'linux') return
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const inside = pids.filter((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/cwd`) === directory
    } catch {
      // It has ended, or belongs to another user.
      return false
    }
  })
  signal(inside.map(Number), 'SIGKILL')
}

/** Direct children only: neither Redis nor PostgreSQL has grandchildren. */
function childrenOf(parent: number): number[] {
  const pairs = process.platform === 'linux' ? pairsFromProc() : pairsFromPs()
  return pairs.filter(([, ppid]) => ppid === parent).map(([pid]) => pid)
}

function pairsFromProc(): [pid: number, ppid: number][] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        // "pid (name) state ppid ...": the name may hold spaces and parentheses.
        const [, ppid] = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
        return [Number(name), Number(ppid)]
      } catch {
        return [Number(name), 0]
      }
    })
}

function pairsFromPs(): [pid: number, ppid: number][] {
  const lines = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).stdout.trim().split('\n')
  return lines.map((line) => {
    const [pid = 0, ppid = 0] = line.trim().split(/\s+/).map(Number)
    return [pid, ppid]
  })
}
