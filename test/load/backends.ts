/*
 * npm run test:backends: real servers of many kinds behind the sidecar. Each goes through a list of cases, and is killed in
 * the middle of its responses. Exit code 1 if a request ran twice or a client got a response that is not its own.
 *
 *   npm run test:backends -- --list             what is there, and what is missing
 *   npm run test:backends -- --only nginx,Puma  those whose name has one of these words
 *   npm run test:backends -- --install          first installs what is missing (root on Debian, and npm)
 *   npm run test:backends -- --write            writes the table of docs/sidecar.md
 *   npm run test:backends -- --storm 1000       copies (--copies 10) of so many requests to each, through two sidecars, while
 *                                               connections on both sides are cut (--seed: the same cuts again)
 */
import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { CHOICE, chosen } from '../backends/availability.ts'
import { LANGUAGE_BACKENDS } from '../backends/language-backends.ts'
import { storm } from '../backends/storm.ts'
import { tableOf, writeTable } from '../backends/table.ts'
import { type TriedBackend, tryBackend } from '../backends/try-backend.ts'
import { WEB_SERVERS } from '../backends/web-servers.ts'
import { startRedis } from '../support/servers.ts'

/** Faults of one backend. */
const SHOWN = 10

const { values } = parseArgs({
  options: {
    ...CHOICE,
    storm: { type: 'string' },
    copies: { type: 'string', default: '10' },
    seed: { type: 'string', default: randomBytes(4).toString('hex') },
  },
})
const { there, missing } = chosen('backend', [...LANGUAGE_BACKENDS, ...WEB_SERVERS], values)

const redis = await startRedis()
const seconds = (sinceMs: number) => ((performance.now() - sinceMs) / 1_000).toFixed(1)
const broken = values.storm === undefined ? await tryAll() : await stormAll(Number(values.storm))
await redis.stop()
console.log(`${there.length} backends tried, ${missing.length} missing, ${broken} with faults`)
process.exit(broken === 0 ? 0 : 1)

async function tryAll(): Promise<number> {
  const tried: TriedBackend[] = []
  for (const kind of there) {
    const startedMs = performance.now()
    const done = await tryBackend(kind, redis.url)
    tried.push(done)
    const odd = [...done.verdicts].filter(([, verdict]) => verdict !== 'ok' && verdict !== 'none')
    say(`${done.name} ${done.version}, ${seconds(startedMs)} s`, done.faults)
    for (const [what, verdict] of odd) console.log(`    ${what}: ${verdict}`)
  }
  const withFaults = tried.filter((one) => one.faults.length > 0).length
  if (values.write && withFaults === 0 && values.only === undefined) writeTable(tried)
  else console.log(tableOf(tried))
  return withFaults
}

async function stormAll(keys: number): Promise<number> {
  const { seed } = values
  let withFaults = 0
  console.log(`${keys} keys x ${values.copies} copies, --seed ${seed}`)
  for (const kind of there.filter(({ isStatic }) => isStatic !== true)) {
    const startedMs = performance.now()
    const options = { keys, copies: Number(values.copies), seed, redisUrl: redis.url }
    const { faults, answered, unknown, lost, runs, cut } = await storm(kind, options)
    // A run in which nothing could go wrong shows nothing.
    if (unknown === 0 || lost === 0)
      faults.push('this shows nothing: no outcome was unknown, or no attempt was lost')
    if (faults.length > 0) withFaults++
    const counts = `copies: ${answered} with a response, ${unknown} unknown at first; ${lost} attempts lost; ${runs} runs, ${cut} of cut requests`
    say(`${kind.name}, ${seconds(startedMs)} s; ${counts}`, faults)
  }
  return withFaults
}

function say(what: string, faults: readonly string[]): void {
  console.log(`${faults.length === 0 ? 'ok' : 'BROKEN'}: ${what}`)
  for (const fault of faults.slice(0, SHOWN)) console.error(`  not ok: ${fault}`)
}
