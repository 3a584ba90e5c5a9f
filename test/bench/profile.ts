import { mkdtempSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'

const cpuProfile = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string(), lineNumber: z.number() }),
    }),
  ),
  endTime: z.number(),
  startTime: z.number(),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
})

const SHOWN = 20

/** Node options for a process whose profiles are in `directory` once it has ended. */
export function profiling(): { directory: string; node: string[] } {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-profile-'))
  return { directory, node: ['--cpu-prof', '--cpu-prof-dir', directory] }
}

/** What took the most time by itself in the last `lastMs` of each profile: start and warm-up are left out. */
export function profileText(directory: string, lastMs: number): string {
  const files = readdirSync(directory).map((name) => join(directory, name))
  return files.map((file) => `${file}\n${selfTimes(file, lastMs * 1_000)}\n`).join('\n')
}

function selfTimes(file: string, lastUs: number): string {
  const profile = cpuProfile.parse(JSON.parse(readFileSync(file, 'utf8')))
  const names = new Map(
    profile.nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => [
      id,
      `${functionName || '(anonymous)'} ${place(url)}${url === '' ? '' : `:${lineNumber + 1}`}`,
    ]),
  )
  const times = new Map<string, number>()
  let nowUs = profile.startTime
  let totalUs = 0
  profile.samples.forEach((node, n) => {
    const deltaUs = profile.timeDeltas[n] ?? 0
    nowUs += deltaUs
    if (nowUs < profile.endTime - lastUs) return
    const name = names.get(node) ?? '?'
    times.set(name, (times.get(name) ?? 0) + deltaUs)
    totalUs += deltaUs
  })
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, SHOWN)
    .map(([name, us]) => `${((us / totalUs) * 100).toFixed(1).padStart(6)} %  ${name}`)
    .join('\n')
}

function place(url: string): string {
  return url.replace(/^file:\/\//, '').replace(/^.*\/(?=(?:node_modules|dist|test)\/)/, '')
}
