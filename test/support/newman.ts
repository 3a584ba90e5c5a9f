import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { z } from 'zod'

const program = fileURLToPath(new URL('../../node_modules/newman/bin/newman.js', import.meta.url))
const folder = new URL('../../postman/', import.meta.url)
export const COLLECTION = fileURLToPath(new URL('oncekey.postman_collection.json', folder))
export const ENVIRONMENT = fileURLToPath(new URL('oncekey.postman_environment.json', folder))

const REPORT = z.object({
  run: z.object({
    stats: z.object({
      requests: z.object({ total: z.number(), failed: z.number() }),
      assertions: z.object({ total: z.number(), failed: z.number() }),
    }),
    failures: z.array(
      z.object({
        source: z.object({ name: z.string() }).optional(),
        error: z.object({ test: z.string().optional(), message: z.string() }),
      }),
    ),
  }),
})

export interface CollectionRun {
  exitCode: number
  requests: number
  assertions: number
  /** One for each failed assertion, script or request: `request: test: message`. */
  failures: string[]
}

/** Runs the collection file with the environment of the demo, as `newman run` does for everybody. */
export async function runCollection(file: string, variables: Record<string, string>): Promise<CollectionRun> {
  const directory = await mkdtemp(join(tmpdir(), 'oncekey-newman-'))
  const report = join(directory, 'report.json')
  const args = ['run', file, '-e', ENVIRONMENT, '--reporters', 'json', '--reporter-json-export', report]
  for (const [name, value] of Object.entries(variables)) args.push('--env-var', `${name}=${value}`)
  try {
    const exitCode = await promisify(execFile)(process.execPath, [program, ...args], { cwd: directory }).then(
      () => 0,
      (error: { code: number }) => error.code,
    )
    const { stats, failures } = REPORT.parse(JSON.parse(await readFile(report, 'utf8'))).run
    return {
      exitCode,
      requests: stats.requests.total,
      assertions: stats.assertions.total,
      failures: failures.map(({ source, error }) => `${source?.name}: ${error.test ?? ''}: ${error.message}`),
    }
  } finally {
    await rm(directory, { recursive: true })
  }
}
