import { errorMessage } from '../../internal/core/error-message.ts'
import { startService } from '../support/service.ts'
import { versionOf } from './availability.ts'
import type { BackendKind } from './backend-kind.ts'
import { CASES, STATIC_CASES, type Verdict } from './cases.ts'
import { KILLED_IN, killWithin, killWithinFile, MAY_LOOK_WHOLE } from './kills.ts'
import { RunningBackend } from './running-backend.ts'

export interface TriedBackend {
  name: string
  version: string
  isStatic: boolean
  /** By the name of the case; those of kills begin with `killed ` and, where only the program was killed, `inner `. */
  verdicts: Map<string, Verdict>
  /** The promise, broken. */
  faults: string[]
}

/** All cases with one backend, through a sidecar of its own. */
export async function tryBackend(kind: BackendKind, redisUrl: string): Promise<TriedBackend> {
  const verdicts = new Map<string, Verdict>()
  const faults: string[] = []
  const backend = await RunningBackend.start(kind)
  const name = `backend-${backend.port}`
  const sidecar = await startService({ REDIS_URL: redisUrl, LOG_LEVEL: 'warn', SHUTDOWN_GRACE: '1s' }, [
    ...['proxy', '--target', backend.url, '--name', name, '--connect-timeout', '2s', ...argumentsFor(kind)],
  ])
  const trial = { backend, url: sidecar.url }
  const attempt = async (what: string, work: () => Promise<void>) => {
    try {
      await work()
    } catch (error) {
      verdicts.set(what, 'FAULT')
      faults.push(`${kind.name}, ${what}: ${errorMessage(error)}`)
    }
  }
  try {
    for (const one of kind.isStatic ? STATIC_CASES : CASES) {
      if (kind.lacks?.includes(one.name)) verdicts.set(one.name, 'none')
      else await attempt(one.name, async () => void verdicts.set(one.name, await one.try(trial)))
    }
    if (kind.isStatic) {
      await attempt('killed', async () => void verdicts.set('killed', await killWithinFile(trial)))
    }
    for (const inner of kind.isStatic ? [] : [undefined, ...(kind.inner ? [kind.inner] : [])]) {
      const before = inner === undefined ? 'killed' : 'inner'
      await attempt(`${before} wait`, async () => {
        const found = await killWithin(trial, inner)
        for (const path of KILLED_IN) {
          const verdict = found.get(path) ?? 'none'
          verdicts.set(`${before} ${path}`, verdict)
          // Of a program that is killed alone, its server may make something else.
          if (inner === undefined && verdict === 'looks whole' && !MAY_LOOK_WHOLE.has(path)) {
            faults.push(`${kind.name}: killed in ${path}, and it looks whole`)
          }
        }
      })
    }
  } finally {
    await sidecar.kill()
    if (faults.length > 0) faults.push(`  the log of ${kind.name}: ${backend.log().slice(-500)}`)
    backend.abandon()
  }
  return {
    name: kind.name,
    version: versionOf(kind.version),
    isStatic: kind.isStatic === true,
    verdicts,
    faults,
  }
}

/** Options of the sidecar that a backend needs. */
export function argumentsFor({ closesUnannounced }: BackendKind): string[] {
  return closesUnannounced === true ? ['--no-keep-alive'] : []
}
