import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { parseDuration } from '../../src/config/setting-values.ts'
import { compareBuilds } from './compare-builds.ts'
import { openProxyWorld } from './proxy-world.ts'
import { comparedText, reportText } from './report-text.ts'
import { runFuzz } from './run-fuzz.ts'
import { openServiceWorld } from './service-world.ts'
import type { Store, World } from './world.ts'

const HELP = `Usage: npm run fuzz -- [OPTIONS]

Sends requests that are right, nearly right, forged and broken, over real connections, to the service or to the sidecar,
and holds each response, the log, the metrics and what is in the stores to what is promised. Exit code 1 if anything is not
as it should be; then it says with which bytes, and how to send them again.

  --target NAME       service or proxy (both)
  --store NAME        redis or postgres, for the keys (both)
  --duration TIME     of each target with each store (60s)
  --seed TEXT         the same seed sends the same cases (a new one, which is printed)
  --case NUMBER       only this case of the seed
  --connections N     cases at the same time (64)
  --against DIR       sends the same bytes to the build in another clone, one case after the other, some of them twice, and
                      says where status, headers, bodies, log lines, metrics, rows or records in Redis differ; exit code
                      1 if anything does. Ids and times are left out.
  --help              this

It starts what it needs; PostgreSQL from TEST_DATABASE_URL (postgres://postgres@127.0.0.1:5432/postgres), Redis from the
programs of this machine.
`

const TARGETS: Record<string, (store: Store, program?: string) => Promise<World>> = {
  service: openServiceWorld,
  proxy: openProxyWorld,
}
const STORES: readonly Store[] = ['redis', 'postgres']

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h' },
    target: { type: 'string' },
    store: { type: 'string' },
    duration: { type: 'string', default: '60s' },
    seed: { type: 'string', default: randomBytes(4).toString('hex') },
    case: { type: 'string' },
    connections: { type: 'string', default: '64' },
    against: { type: 'string' },
  },
})
if (values.help === true) {
  process.stdout.write(HELP)
  process.exit(0)
}
const { seed, target, store } = values
const targets = Object.keys(TARGETS).filter((name) => target === undefined || name === target)
const stores = STORES.filter((name) => store === undefined || name === store)
const connections = Number(values.connections)
if (targets.length === 0 || stores.length === 0 || !(connections >= 1)) {
  process.stderr.write(`there is no such --target, --store or --connections\n\n${HELP}`)
  process.exit(2)
}
const durationMs = parseDuration(values.duration)
const only = values.case === undefined ? undefined : Number(values.case)
const otherProgram = values.against === undefined ? undefined : resolve(values.against, 'src/oncekey.js')
if (otherProgram !== undefined && !existsSync(otherProgram)) {
  process.stderr.write(`--against ${values.against}: there is no ${otherProgram}\n`)
  process.exit(2)
}

let failed = false
process.stderr.write(`--seed ${seed}\n`)
for (const name of targets) {
  for (const each of stores) {
    const world = await TARGETS[name]?.(each)
    if (world === undefined) continue
    const onProgress = (text: string) => process.stderr.write(`${world.name}: ${text}\n`)
    if (otherProgram !== undefined) {
      const other = await TARGETS[name]?.(each, otherProgram)
      if (other === undefined) continue
      try {
        const report = await compareBuilds(world, other, { seed, durationMs, onProgress })
        failed ||= report.differences.length > 0
        process.stdout.write(`${comparedText(world.name, report)}\n`)
      } finally {
        await Promise.all([world.close(), other.close()])
      }
      continue
    }
    try {
      const report = await runFuzz(world, { seed, durationMs, connections, only, onProgress })
      failed ||= report.findings.length > 0
      process.stdout.write(`${reportText(world.name, report)}\n`)
      for (const line of await world.figures()) process.stdout.write(`  ${line}\n`)
    } finally {
      await world.close()
    }
  }
}
process.exit(failed ? 1 : 0)
