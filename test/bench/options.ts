import { parseArgs } from 'node:util'
import { CONTESTANTS } from './contestants.ts'
import { PATHS } from './paths.ts'

export interface Options {
  paths: readonly string[]
  contestants: readonly string[]
  rounds: number
  roundMs: number
  /** Before the rounds a contestant has answered so many, which is when its code is compiled. */
  warmUpAnswers: number
  connections: number
  quick: boolean
  json: boolean
  /** One contestant on one path, with a CPU profile of it. */
  profile: boolean
  /** Where report.md and chart.svg go; undefined: the report goes to standard output only. */
  out: string | undefined
}

/** Measured: with 6,000, answers still became cheaper from round to round. */
const WARM_UP_ANSWERS = 20_000

const HELP = `Usage: npm run bench -- [OPTIONS]

Measures oncekey against the floor (bare Koa) in short alternating rounds, with a Redis and a PostgreSQL of
its own. Two cores: the contestant on one; load, Redis and PostgreSQL on the other.

  --paths A,B         ${PATHS.map(({ name }) => name).join(', ')}
  --contestants A,B   ${CONTESTANTS.map(({ name }) => name).join(', ')}
  --rounds N          rounds of each contestant on each path (15)
  --round-ms N        length of a round (700)
  --connections N     (64)
  --out DIR           writes report.md and chart.svg there
  --json              the figures as JSON on standard output
  --profile NAME      this contestant on one path (--paths, fresh) with --cpu-prof, and what took the most time
  --quick             two short rounds, no thresholds: shows that everything works
  --help              this
`

export function readOptions(args: string[]): Options | undefined {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: 'boolean', short: 'h' },
      quick: { type: 'boolean' },
      json: { type: 'boolean' },
      paths: { type: 'string' },
      only: { type: 'string' },
      contestants: { type: 'string' },
      rounds: { type: 'string' },
      'round-ms': { type: 'string' },
      connections: { type: 'string' },
      out: { type: 'string' },
      profile: { type: 'string' },
    },
  })
  if (values.help === true) {
    process.stdout.write(HELP)
    return undefined
  }
  const profile = values.profile !== undefined
  const quick = values.quick === true
  return {
    paths: chosen('--paths', values.paths ?? values.only ?? (profile ? 'fresh' : undefined), PATHS),
    contestants: chosen('--contestants', values.profile ?? values.contestants, CONTESTANTS),
    profile,
    rounds: whole('--rounds', values.rounds, quick ? 2 : 15),
    roundMs: whole('--round-ms', values['round-ms'], quick ? 150 : 700),
    warmUpAnswers: quick ? 1 : WARM_UP_ANSWERS,
    connections: whole('--connections', values.connections, 64),
    quick,
    json: values.json === true,
    out: values.out,
  }
}

function chosen(option: string, text: string | undefined, known: readonly { name: string }[]): string[] {
  const names = known.map(({ name }) => name)
  const wanted = text?.split(',') ?? names
  for (const name of wanted) {
    if (!names.includes(name))
      throw new Error(`${option}: there is no ${name}; there are ${names.join(', ')}`)
  }
  return names.filter((name) => wanted.includes(name))
}

function whole(option: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new Error(`${option} ${text}: must be a whole number from 1 to 999999`)
  return Number(text)
}
