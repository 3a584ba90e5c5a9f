import { parseArgs } from 'node:util'

/** A part of the output of a verb, as text and as JSON. */
export interface Shown {
  text?: string
  json?: unknown
  warning?: string
  /** The exit code; default 0. */
  code?: number
}

export type Options = Readonly<Partial<Record<string, string | boolean>>>
export type Work<Opened> = (opened: Opened) => Promise<Shown> | AsyncIterable<Shown>

/** A command such as `oncekey clients VERB`, which opens stores, does one thing and closes them. */
export interface VerbCommand<Verb extends string, Opened extends { close(): Promise<void> }> {
  name: string
  /** The options of each verb besides --json; all but `flags` have a value. */
  verbs: Readonly<Record<Verb, readonly string[]>>
  flags?: readonly string[]
  /** Throws a plain Error for a wrong command line, before anything is opened. */
  parse(verb: Verb, operands: readonly string[], options: Options): Work<Opened>
  open(): Promise<Opened>
}

const FLAG = { type: 'boolean' } as const
const TEXT = { type: 'string' } as const

/** Returns the exit code. Throws Errors for the operator. */
export async function runVerb<Verb extends string, Opened extends { close(): Promise<void> }>(
  args: string[],
  { name: command, verbs, flags = [], parse, open }: VerbCommand<Verb, Opened>,
): Promise<number> {
  const known = new Set(Object.values<readonly string[]>(verbs).flat())
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: 'boolean' },
      ...Object.fromEntries([...known].map((one) => [one, flags.includes(one) ? FLAG : TEXT])),
    },
  })
  const { json = false, ...options } = values
  const [name = '', ...operands] = positionals
  const verb = findVerb(name, verbs)
  checkOptions(verb, Object.keys(options), verbs[verb])
  const work = parse(verb, operands, options)
  const opened = await open()
  try {
    let exitCode = 0
    for await (const { text = '', json: value, warning, code = 0 } of shownBy(work(opened))) {
      if (code !== 0) exitCode = code
      if (warning !== undefined) process.stderr.write(`oncekey ${command}: ${warning}\n`)
      if (!json) process.stdout.write(text)
      else if (value !== undefined) process.stdout.write(`${JSON.stringify(value)}\n`)
    }
    return exitCode
  } finally {
    await opened.close()
  }
}

async function* shownBy(work: Promise<Shown> | AsyncIterable<Shown>): AsyncIterable<Shown> {
  if (work instanceof Promise) yield await work
  else yield* work
}

/** Throws an Error that names the verbs. */
export function findVerb<Verb extends string>(name: string, verbs: Readonly<Record<Verb, unknown>>): Verb {
  const names = Object.keys(verbs)
  for (const verb in verbs) if (verb === name) return verb
  const last = names.pop()
  throw new Error(
    `${name === '' ? 'say' : `there is no ${name}:`} ${names.join(', ')} or ${last}; see --help`,
  )
}

export function checkOptions(verb: string, given: readonly string[], allowed: readonly string[]): void {
  const other = given.find((option) => !allowed.includes(option))
  if (other !== undefined) throw new Error(`${verb} takes no --${other}`)
}

/** The text of an option that has a value. */
export function textOf(options: Options, name: string): string | undefined {
  const value = options[name]
  return typeof value === 'string' ? value : undefined
}
