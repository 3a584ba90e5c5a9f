import { parseArgs } from 'node:util'
import { readBuilds } from './builds.ts'
import { CONTESTANTS, type Contestant, nameInThis, withBuilds } from './contestants.ts'
import type { MeasurePlan } from './measure.ts'
import { PATHS } from './paths.ts'

export interface Options extends MeasurePlan {
  paths: readonly string[]
  contestants: readonly Contestant[]
  /** Shows that everything works; the figures mean nothing. */
  quick: boolean
  json: boolean
  /** Where report.md and chart.svg go; undefined: nowhere. */
  out: string | undefined
  /** One contestant on one path, with a CPU profile of it. */
  profile: boolean
}

/** Measured: after 6,000, responses still became cheaper from round to round. */
const WARM_UP_RESPONSES = 20_000
const KEYS = 10_000

const names = (all: readonly { name: string; optional?: boolean }[]) =>
  all.map(({ name, optional }) => (optional ? `(${name})` : name)).join(', ')

const HELP = `Usage: npm run bench -- [OPTIONS]

Measures oncekey, what a user could put together instead, and the floor (bare Koa) on the same work, in short
rounds that alternate, with a Redis and a PostgreSQL of its own. The contestant has one core; the load, Redis and
PostgreSQL have another. Exit code 1 if a response is wrong or a ratio is not reached. docs/benchmarks.md says more.

  --paths A,B         ${wrapped(names(PATHS))}
  --contestants A,B   ${wrapped(names(CONTESTANTS))}
  --build NAME=DIR    another clone, which is built: what it has of these competes as CONTESTANT@NAME
  --node NAME=FILE    the node program that runs this build
  --flags NAME=FLAGS  options of that program, separated by spaces
  --env NAME=X=VALUE  a setting of this build
  --rounds N          of each contestant on each path (15)
  --round-ms N        length of a round (700)
  --connections N     (64)
  --others CORES      waits until other processes use no more cores than this, as 0.2; rounds in which they used more
                      are void and run again
  --out DIR           writes report.md and chart.svg there
  --json              all figures, of each round too, on standard output instead of the report
  --profile NAME      this contestant on one path (fresh, or that of --paths), and what took the most time in it
  --quick             few and short rounds, no peers, nothing has to be reached: shows that everything works
  --help              this

What is in parentheses runs only when it is named. --only is another name of --paths.
`

function wrapped(text: string): string {
  return text.replace(/(.{60,85}), /g, `$1,\n${' '.repeat(22)}`)
}

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
      build: { type: 'string', multiple: true },
      node: { type: 'string', multiple: true },
      flags: { type: 'string', multiple: true },
      env: { type: 'string', multiple: true },
      others: { type: 'string' },
      out: { type: 'string' },
      profile: { type: 'string' },
    },
  })
  if (values.help === true) {
    process.stdout.write(HELP)
    return undefined
  }
  const quick = values.quick === true
  const profile = values.profile !== undefined
  const paths = values.paths ?? values.only ?? (profile ? 'fresh' : undefined)
  const all = withBuilds(readBuilds(values))
  const wanted = chosen(
    '--contestants',
    all,
    (values.profile ?? values.contestants)?.split(','),
    ({ contest, kind }) => !(quick && contest === 'orders' && kind === 'peer'),
  )
  const options: Options = {
    paths: chosen('--paths', PATHS, paths?.split(','), ({ optional }) => optional !== true),
    contestants: all.filter((one) => wanted.includes(one.name) || wanted.includes(nameInThis(one))),
    rounds: whole('--rounds', values.rounds, quick ? 1 : 15),
    roundMs: whole('--round-ms', values['round-ms'], quick ? 100 : 700),
    warmUpResponses: quick ? 1 : WARM_UP_RESPONSES,
    connections: whole('--connections', values.connections, quick ? 8 : 64),
    keys: quick ? 50 : KEYS,
    quick,
    profile,
    maxOtherCores: cores(values.others),
    json: values.json === true,
    out: values.out,
  }
  if (profile && (options.paths.length !== 1 || options.contestants.length !== 1)) {
    throw new Error('--profile takes one contestant, and --paths one path with it')
  }
  return options
}

/** Names of those that are wanted, in the order in which they run. */
function chosen<T extends { name: string }>(
  option: string,
  known: readonly T[],
  wanted: readonly string[] | undefined,
  byDefault: (one: T) => boolean,
): string[] {
  for (const name of wanted ?? []) {
    if (known.some((one) => one.name === name)) continue
    throw new Error(`${option}: there is no ${name}; there are ${known.map((one) => one.name).join(', ')}`)
  }
  return known.filter((one) => wanted?.includes(one.name) ?? byDefault(one)).map(({ name }) => name)
}

function cores(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^\d{1,3}(\.\d+)?$/.test(text)) throw new Error(`--others ${text}: must be a number of cores, as 0.2`)
  return Number(text)
}

function whole(option: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new Error(`${option} ${text}: must be a whole number from 1 to 999999`)
  return Number(text)
}
