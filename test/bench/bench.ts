/*
 * npm run bench: oncekey against the floor of bare Koa and against what a user could put together, on the same work, in
 * alternating rounds. See docs/benchmarks.md; --help shows the options.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorMessage } from '../../internal/core/error-message.ts'
import { type BenchServers, openBenchServers } from './bench-servers.ts'
import { chartSvg } from './chart.ts'
import { circumstances } from './circumstances.ts'
import type { Contest, Quota } from './contestants.ts'
import { type Entrant, type Measured, measure } from './measure.ts'
import { type Options, readOptions } from './options.ts'
import { PATHS } from './paths.ts'
import { ALL_CORES, CONTESTANT_CORE, LOAD_CORE, pin, whyNotPinned } from './processes.ts'
import { profileText, profiling } from './profile.ts'
import { showProgress } from './progress.ts'
import { reaches } from './reach.ts'
import { markdown } from './report.ts'

const CONTESTS: readonly Contest[] = ['orders', 'payments', 'forwarding', 'workers']
const QUOTAS: readonly Quota[] = ['ample', 'spent']

process.exit(await main())

async function main(): Promise<number> {
  try {
    const options = readOptions(process.argv.slice(2))
    return options === undefined ? 0 : await bench(options)
  } catch (error) {
    process.stderr.write(`bench: ${errorMessage(error)}\n`)
    return 1
  }
}

async function bench(options: Options): Promise<number> {
  // Without figures that mean something, everything may run everywhere.
  const unpinned = options.quick ? '--quick' : whyNotPinned()
  // Before anything is started: Redis and PostgreSQL inherit it.
  if (unpinned === undefined) pin(process.pid, LOAD_CORE)
  const servers = await openBenchServers()
  try {
    const facts = await circumstances(servers, options, unpinned)
    const measured: Measured[] = []
    for (const contest of CONTESTS) {
      for (const quota of QUOTAS)
        measured.push(...(await runPaths(options, contest, quota, servers, unpinned === undefined)))
    }
    const report = { measured, reaches: options.quick ? [] : reaches(measured), circumstances: facts }
    process.stdout.write(`${options.json ? JSON.stringify(report, null, 2) : markdown(report)}\n`)
    if (options.out !== undefined) write(options.out, `${markdown(report)}\n`, chartSvg(measured))
    const wrong = measured.filter(({ unexpected }) => Object.keys(unexpected).length > 0)
    for (const { path, contestant, unexpected } of wrong) {
      process.stderr.write(
        `${path}, ${contestant}: wrong responses, by status: ${JSON.stringify(unexpected)}\n`,
      )
    }
    return wrong.length === 0 && report.reaches.every(({ reached }) => reached) ? 0 : 1
  } finally {
    await servers.close()
  }
}

/** The paths of a contest that take the same processes. */
async function runPaths(
  options: Options,
  contest: Contest,
  quota: Quota,
  servers: BenchServers,
  pinned: boolean,
): Promise<Measured[]> {
  const paths = PATHS.filter(
    (path) => path.contest === contest && path.quota === quota && options.paths.includes(path.name),
  )
  const contestants = options.contestants.filter((one) => one.contest === contest)
  if (paths.length === 0 || contestants.length === 0) return []
  const profiles = options.profile ? profiling() : undefined
  const entrants: Entrant[] = []
  const measured: Measured[] = []
  let measuringMs = 0
  try {
    for (const contestant of contestants) {
      const isOnAll = contestant.manyCores === true
      // It inherits where it may run, and starts as many processes as it sees cores.
      if (pinned && isOnAll) pin(process.pid, ALL_CORES)
      const service = await contestant.start(servers, quota, profiles?.node)
      entrants.push({ contestant, service })
      if (pinned) pin(process.pid, LOAD_CORE)
      if (pinned && !isOnAll) pin(service.pid, CONTESTANT_CORE)
    }
    for (const path of paths) {
      const progress = showProgress(path.name, options.rounds)
      const onRound = (done: number) => {
        if (done === 0) measuringMs = performance.now()
        progress.round(done)
      }
      measured.push(...(await measure(path, entrants, options, servers, onRound)))
      progress.end()
    }
  } finally {
    for (const { service } of entrants) await service.stop()
  }
  if (profiles !== undefined) {
    process.stderr.write(`${profileText(profiles.directory, performance.now() - measuringMs)}\n`)
  }
  return measured
}

function write(directory: string, report: string, chart: string): void {
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'report.md'), report)
  writeFileSync(join(directory, 'chart.svg'), chart)
  process.stderr.write(`report.md and chart.svg are in ${directory}\n`)
}
