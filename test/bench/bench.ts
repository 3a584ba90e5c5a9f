/*
 * npm run bench: oncekey against the floor of bare Koa, on the same work, in alternating rounds. See
 * docs/benchmarks.md; --help shows the options.
 */
import { CONTESTANTS, type Quota } from './contestants.ts'
import { type Entrant, type Measured, measure } from './measure.ts'
import { type Options, readOptions } from './options.ts'
import { PATHS } from './paths.ts'
import { LOAD_CORE, pin, SERVER_CORE, whyNotPinned } from './processes.ts'
import { profileText, profiling } from './profile.ts'
import { table } from './report.ts'
import { openStage, type Stage } from './stage.ts'

const options = readOptions(process.argv.slice(2))
process.exit(options === undefined ? 0 : await bench(options))

async function bench(options: Options): Promise<number> {
  const unpinned = whyNotPinned()
  // Before anything is started: Redis and PostgreSQL inherit it.
  if (unpinned === undefined) pin(process.pid, `${LOAD_CORE}`)
  else process.stderr.write(`processes are not pinned to cores: ${unpinned}\n`)
  const stage = await openStage()
  try {
    const measured = [
      ...(await runPaths(options, 'ample', stage, unpinned === undefined)),
      ...(await runPaths(options, 'spent', stage, unpinned === undefined)),
    ]
    process.stderr.write('\n')
    process.stdout.write(options.json ? `${JSON.stringify(measured)}\n` : `${table(measured)}\n`)
    const wrong = measured.filter(({ unexpected }) => Object.keys(unexpected).length > 0)
    for (const { path, contestant, unexpected } of wrong) {
      process.stderr.write(`${path}, ${contestant}: unexpected answers ${JSON.stringify(unexpected)}\n`)
    }
    return wrong.length > 0 ? 1 : 0
  } finally {
    await stage.close()
  }
}

async function runPaths(options: Options, quota: Quota, stage: Stage, pinned: boolean): Promise<Measured[]> {
  const paths = PATHS.filter((path) => path.quota === quota && options.paths.includes(path.name))
  const measured: Measured[] = []
  if (paths.length === 0) return measured
  const entrants: Entrant[] = []
  const profiles = options.profile ? profiling() : undefined
  let startedMs = 0
  try {
    for (const contestant of CONTESTANTS.filter(({ name }) => options.contestants.includes(name))) {
      const service = await contestant.start(stage, quota, profiles?.node)
      if (pinned) pin(service.pid, `${SERVER_CORE}`)
      entrants.push({ contestant, service })
    }
    for (const path of paths) {
      const onRound = (done: number, of: number) => {
        if (done === 0) startedMs = performance.now()
        process.stderr.write(`\r${path.name}: round ${done + 1} of ${of}        `)
      }
      measured.push(...(await measure(path, entrants, options, stage, onRound)))
    }
  } finally {
    for (const { service } of entrants) await service.stop()
  }
  if (profiles !== undefined) {
    process.stderr.write(`\n${profileText(profiles.directory, performance.now() - startedMs)}`)
  }
  return measured
}
