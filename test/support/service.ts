import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { atProcessEnd } from './process-end.ts'

export type Settings = Record<string, string>

/** How a process ended: by itself with a code, or by a signal. */
export interface Ending {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A service in a process of its own. What still runs when the test process ends is ended with it. */
export interface Service {
  readonly url: string
  readonly port: number
  /** Changes with restart(). */
  readonly pid: number
  /** Standard output and error so far, over all restarts; log lines arrive within 250 ms. */
  log(): string
  /** SIGTERM: resolves when it has ended. */
  stop(): Promise<Ending>
  /** SIGKILL, resolves when it is gone. */
  kill(): Promise<void>
  /** SIGSTOP: its connections stay open and nothing responds. */
  pause(): void
  resume(): void
  signal(name: NodeJS.Signals): void
  /** Resolves when it has ended, by whatever; at once if it has. */
  ended(): Promise<Ending>
  /** After stop(), kill() or an end by itself: the same settings on the same port. */
  restart(): Promise<void>
}

const PROGRAM = fileURLToPath(new URL('../../src/oncekey.js', import.meta.url))
const NODE = process.execPath
/** The first start of an embedded database takes 5 s, on a busy machine several times that. */
const START_MS = 60_000
const POLL_MS = 10

const running = new Set<ChildProcess>()
const directories: string[] = []

atProcessEnd(() => {
  for (const child of running) child.kill('SIGKILL')
  for (const directory of directories) rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
})

/**
 * Starts `oncekey serve` (or the command of `args`, or another file than this clone's) with these settings and
 * nothing else of this environment, on a free port unless PORT is given. The working directory, and with it the
 * default DATA_DIR, is a fresh one.
 * Rejects with what the process wrote if it ends before it is ready. A function says the file anew for each start.
 * `node` is the program that runs the file.
 */
export async function startService(
  settings: Settings = {},
  args: string[] = ['serve'],
  program: string | (() => string) = PROGRAM,
  node = NODE,
): Promise<Service> {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-service-'))
  directories.push(directory)
  let text = ''
  let env: Settings = { ...inherited(), PORT: '0', ...settings }
  const programNow = () => (typeof program === 'string' ? program : program())
  const start = () => launch(node, [programNow(), ...args], env, directory, (chunk) => (text += chunk))
  let process = await start()
  const { port } = process
  env = { ...env, PORT: String(port) }

  return {
    url: `http://127.0.0.1:${port}`,
    port,
    get pid() {
      return process.pid
    },
    log: () => text,
    async stop() {
      process.child.kill('SIGCONT')
      process.child.kill('SIGTERM')
      return await process.ended()
    },
    async kill() {
      process.child.kill('SIGKILL')
      await process.ended()
    },
    pause: () => void process.child.kill('SIGSTOP'),
    resume: () => void process.child.kill('SIGCONT'),
    signal: (name) => void process.child.kill(name),
    ended: () => process.ended(),
    async restart() {
      await process.ended()
      process = await start()
    },
  }
}

interface Launched {
  child: ChildProcess
  pid: number
  port: number
  ended: () => Promise<Ending>
}

async function launch(
  node: string,
  args: string[],
  env: Settings,
  cwd: string,
  collect: (chunk: string) => void,
): Promise<Launched> {
  let text = ''
  let ending: Ending | undefined
  const child = spawn(node, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (chunk: string) => {
      if (port === undefined) text += chunk
      collect(chunk)
    })
  }
  const ended = new Promise<Ending>((resolve) => {
    // 'close', not 'exit': its last words have arrived then.
    child.once('close', (code, signal) => {
      running.delete(child)
      ending = { code, signal }
      resolve(ending)
    })
  })
  let port: number | undefined
  const deadline = Date.now() + START_MS
  while (port === undefined) {
    if (ending !== undefined) throw new Error(`the service ended with ${JSON.stringify(ending)}:\n${text}`)
    if (Date.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(`the service is not ready after ${START_MS} ms:\n${text}`)
    }
    await sleep(POLL_MS)
    const ready = /is ready on http:\/\/\S+:(\d+)\s/.exec(text)
    if (ready !== null) port = Number(ready[1])
  }
  if (child.pid === undefined) throw new Error('a process that has answered has a pid')
  // A test that forgets its service still ends; the service goes with it.
  hold(child, 'unref')
  return {
    child,
    pid: child.pid,
    port,
    ended() {
      if (ending === undefined) hold(child, 'ref')
      return ended
    },
  }
}

/** Whether this process stays for the child and its output. */
function hold(child: ChildProcess, how: 'ref' | 'unref'): void {
  child[how]()
  for (const stream of [child.stdout, child.stderr]) if (stream instanceof Socket) stream[how]()
}

/** What a program needs to run at all; no setting of the service. */
function inherited(): Settings {
  const { PATH = '', HOME = '', TMPDIR } = process.env
  return { PATH, HOME, ...(TMPDIR === undefined ? {} : { TMPDIR }) }
}
