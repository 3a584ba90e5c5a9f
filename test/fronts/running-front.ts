import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isGone, listens, treeOf } from '../backends/processes.ts'
import { freePort } from '../support/servers.ts'
import { until } from '../support/until.ts'
import type { FrontKind } from './front-kind.ts'

const DOCUMENT = fileURLToPath(new URL('../../docs/proxies.md', import.meta.url))
const START_MS = 30_000

/** The settings that docs/proxies.md has for it: the first block under its name. */
export function recommendedFor({ name }: FrontKind): string {
  const text = readFileSync(DOCUMENT, 'utf8')
  const [, settings] =
    new RegExp(`^## ${name}\\n[\\s\\S]*?^\`\`\`\\w*\\n([\\s\\S]*?)^\`\`\``, 'm').exec(text) ?? []
  if (settings === undefined) throw new Error(`${DOCUMENT} has no settings for ${name}`)
  return settings
}

const running = new Set<() => void>()
process.on('exit', () => {
  for (const end of running) end()
})

export interface RunningFront {
  port: number
  log(): string
  stop(): Promise<void>
}

/** Starts it with these settings, in front of this port. */
export async function startFront(kind: FrontKind, settings: string, target: number): Promise<RunningFront> {
  const directory = mkdtempSync('/tmp/oncekey-front-')
  chmodSync(directory, 0o777)
  const port = await freePort()
  const inPlace = settings.replaceAll(/\b8000\b/g, `${port}`).replaceAll(/\b8080\b/g, `${target}`)
  const { argv, env } = kind.launch(inPlace, { directory, port, target })
  const [program, ...args] = argv
  const file = join(directory, 'output')
  const output = openSync(file, 'a')
  const child = spawn(program, args, {
    cwd: directory,
    stdio: ['ignore', output, output],
    env: { PATH: `${process.env.PATH}:/usr/sbin`, HOME: directory, ...env },
  })
  child.unref()
  const log = () => readFileSync(file, 'utf8').slice(-2_000)
  const pids = () => (child.pid === undefined ? [] : treeOf(child.pid))
  const abandon = () => {
    for (const pid of pids()) process.kill(pid, 'SIGKILL')
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  }
  running.add(abandon)
  const untilMs = performance.now() + START_MS
  while (!(await listens(port))) {
    if (child.exitCode !== null || performance.now() > untilMs)
      throw new Error(`${kind.name} does not start:\n${log()}`)
    await sleep(20)
  }
  return {
    port,
    log,
    async stop() {
      const all = pids()
      running.delete(abandon)
      abandon()
      await until('the front is gone', () => all.every(isGone))
    },
  }
}
