import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from '../support/servers.ts'
import { until } from '../support/until.ts'
import type { BackendKind, Inner, Launch, LaunchSite } from './backend-kind.ts'
import { descendantsOf, isGone, isScript, listens, signalAll, treeOf } from './processes.ts'

/** What a program noted: it ran a request, or stands still in the middle of its response. */
export interface Noted {
  what: 'run' | 'half'
  key: string
  user: string
  id: string
}

/** For the compiler and the virtual machine of Java on a busy machine. */
const START_MS = 60_000
const POLL_MS = 20

/** Ended with this process. */
const running = new Set<RunningBackend>()
process.on('exit', () => {
  for (const backend of running) backend.abandon()
})

/** A real server on loopback, whose processes can be killed and started again on the same port. */
export class RunningBackend {
  readonly kind: BackendKind
  readonly #place: LaunchSite
  readonly #launch: Launch
  #children: ChildProcess[] = []

  private constructor(kind: BackendKind, place: LaunchSite) {
    this.kind = kind
    this.#place = place
    this.#launch = kind.launch(place)
  }

  static async start(kind: BackendKind): Promise<RunningBackend> {
    const directory = mkdtempSync('/tmp/oncekey-backend-')
    // Apache runs its programs as another user.
    chmodSync(directory, 0o777)
    const ledger = join(directory, 'ledger')
    writeFileSync(ledger, '')
    chmodSync(ledger, 0o666)
    const place = { directory, ledger, port: await freePort(), behindPort: await freePort() }
    const backend = new RunningBackend(kind, place)
    running.add(backend)
    await backend.start()
    return backend
  }

  get url(): string {
    return `http://127.0.0.1:${this.#place.port}${this.#launch.basePath ?? ''}`
  }

  get port(): number {
    return this.#place.port
  }

  get basePath(): string {
    return this.#launch.basePath ?? ''
  }

  async start(): Promise<void> {
    const { directory, ledger, behindPort } = this.#place
    const log = openSync(join(directory, 'log'), 'a')
    const untilMs = performance.now() + START_MS
    for (const [n, { argv, env, socket }] of this.#launch.commands.entries()) {
      const [program, ...args] = argv
      const isLast = n === this.#launch.commands.length - 1
      const port = isLast ? this.#place.port : behindPort
      // A server that was killed leaves its file.
      if (socket !== undefined) rmSync(socket, { force: true })
      const begin = () => this.#spawn(program, args, { cwd: directory, log, ledger, port, env })
      let child = begin()
      while (!(await listens(socket ?? port))) {
        if (performance.now() > untilMs) throw new Error(`${this.kind.name} does not start:\n${this.log()}`)
        await sleep(POLL_MS)
        // The port of a server that was killed may be taken for a moment.
        if (child.exitCode !== null) {
          await sleep(10 * POLL_MS)
          child = begin()
        }
      }
    }
  }

  #spawn(
    program: string,
    args: string[],
    at: { cwd: string; log: number; ledger: string; port: number; env: Record<string, string> | undefined },
  ): ChildProcess {
    const child = spawn(program, args, {
      cwd: at.cwd,
      stdio: ['ignore', at.log, at.log],
      env: {
        PATH: process.env.PATH ?? '',
        HOME: at.cwd,
        LEDGER: at.ledger,
        PORT: String(at.port),
        ...at.env,
      },
    })
    child.unref()
    this.#children.push(child)
    return child
  }

  /** A program that has ended by itself: what it then does not do shows nothing. */
  get hasEnded(): boolean {
    return this.#children.some(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null)
  }

  noted(): Noted[] {
    const lines = readFileSync(this.#place.ledger, 'utf8').split('\n').slice(0, -1)
    return lines.map((line) => {
      const [what = '', key = '', user = '', id = ''] = line.split(' ')
      if (what !== 'run' && what !== 'half') throw new Error(`a line of the ledger: ${line}`)
      return { what, key, user, id }
    })
  }

  runs(key: string): Noted[] {
    return this.noted().filter((noted) => noted.what === 'run' && noted.key === key)
  }

  /** SIGKILL of everything: resolves when it is gone. */
  async kill(): Promise<void> {
    // A server must not see that its program has died: it goes first.
    for (const pids of this.#trees()) {
      signalAll(pids)
      await until('what was killed is gone', () => pids.every(isGone))
    }
    this.#children = []
  }

  /** SIGKILL of what runs the requests, and not of the server in front of it. */
  killInner(inner: Inner): void {
    const [origin] = this.#children
    if (inner === 'origin') {
      if (origin?.pid !== undefined) signalAll([origin.pid, ...descendantsOf(origin.pid)])
      return
    }
    const below = this.#children.flatMap(({ pid }) => (pid === undefined ? [] : descendantsOf(pid)))
    signalAll(below.filter(isScript))
  }

  /** Processes in the order in which they may be killed: the server, and then what it runs and what is behind it. */
  #trees(): number[][] {
    const trees = this.#children.flatMap(({ pid }) => (pid === undefined ? [] : [treeOf(pid)])).reverse()
    const scripts = trees.flat().filter(isScript)
    return [...trees.map((tree) => tree.filter((pid) => !scripts.includes(pid))), scripts]
  }

  log(): string {
    const file = join(this.#place.directory, 'log')
    return existsSync(file) ? readFileSync(file, 'utf8').slice(-2_000) : ''
  }

  /** For the end of the process, when nothing can be awaited, too. */
  abandon(): void {
    for (const pids of this.#trees()) signalAll(pids)
    running.delete(this)
    rmSync(this.#place.directory, { recursive: true, force: true, maxRetries: 3 })
  }
}
