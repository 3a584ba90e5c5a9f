import { parseArgs } from 'node:util'
import { errorMessage } from '../../internal/core/error-message.ts'
import { parseStrikes, planOf } from './enumerate.ts'
import { MODES } from './node.ts'
import { kindsOf, randomScenario, type Scenario, smallScenario } from './scenario.ts'
import { simulate } from './world.ts'

const HELP = `Usage: npm run simulate:faults -- [--seeds N] [--seed FIRST] [--mode MODE] [--strike LIST] [--trace]

Runs nodes, partners and faults in this process on a virtual clock, and checks every promise at the end of each run.
The same seed is always the same run.

  --seeds N       how many seeds (1; without --seed 1000)
  --seed FIRST    the first one, a whole number (0)
  --mode MODE     ${MODES.join(', ')} (all of them)
  --strike LIST   the small scenario instead, with these calls struck: 3=lost,7=crash after
  --trace         every step, also of a run that is well

Ends at the first seed that breaks a promise, prints its steps and the command that repeats it, and exits with 1.
`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    mode: { type: 'string' },
    strike: { type: 'string' },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

const PROGRESS_EVERY_MS = 5_000

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(HELP)
    return 0
  }
  const modes = MODES.filter((mode) => values.mode === undefined || mode === values.mode)
  if (modes.length === 0) throw new Error(`--mode must be one of ${MODES.join(', ')}`)
  const { strike } = values
  if (strike !== undefined) {
    for (const mode of modes) {
      const plan = planOf(parseStrikes(strike, kindsOf(mode)))
      if (!(await isWell(smallScenario(mode, plan), `--strike '${strike}'`))) return 1
    }
    return 0
  }
  const first = whole('seed', 0)
  const count = whole('seeds', values.seed === undefined ? 1_000 : 1)
  let runs = 0
  let toldMs = performance.now()
  for (let seed = first; seed < first + count; seed++) {
    for (const mode of modes) {
      if (!(await isWell(randomScenario(mode, String(seed)), `--seed ${seed}`))) return 1
      runs++
    }
    if (performance.now() - toldMs < PROGRESS_EVERY_MS) continue
    toldMs = performance.now()
    process.stderr.write(`${seed - first + 1} of ${count} seeds, ${runs} runs, every promise kept\n`)
  }
  process.stdout.write(`${count} seeds from ${first} on, ${runs} runs, every promise kept\n`)
  return 0
}

async function isWell(scenario: Scenario, which: string): Promise<boolean> {
  const trace = (line: string) => process.stdout.write(`${line}\n`)
  if (values.trace) return (await simulate(scenario, { trace })).violations.length === 0
  const { violations } = await simulate(scenario)
  if (violations.length === 0) return true
  await simulate(scenario, { trace })
  process.stdout.write(`\n${violations.join('\n')}\n`)
  process.stdout.write(`Again: npm run simulate:faults -- --mode '${scenario.mode}' ${which}\n`)
  return false
}

function whole(name: 'seed' | 'seeds', otherwise: number): number {
  const text = values[name]
  if (text === undefined) return otherwise
  if (!/^\d{1,12}$/.test(text)) throw new Error(`--${name} must be a whole number`)
  return Number(text)
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`simulate:faults: ${errorMessage(error)}\n`)
  process.exitCode = 2
}
