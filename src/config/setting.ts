import { errorMessage } from '../../internal/core/error-message.ts'

/** Commands with settings; `proxy --verify` has those of `proxy` and those for signatures. */
export type Command = 'serve' | 'proxy' | 'proxy --verify' | 'clients' | 'keys' | 'audit' | 'migrate'

/** Defaults may depend on it. */
export interface Given {
  command: Command
  production: boolean
  /** Outside of production and on loopback. */
  isDemo: boolean
  /** The text of a setting; undefined: it is not set, or empty. */
  text(name: string): string | undefined
}

type Default<D> = D | ((given: Given) => D)

/** One setting as it is written in a table. `D` is undefined where there may be no default. */
interface Entry<T, C extends Command, D extends string | undefined> {
  /** The environment variable, or `--name` of an option. */
  name: string
  /** Written as it would be set. */
  default: Default<D>
  /** Describes the default in --help and documents. */
  defaultText?: string
  /** Throws an Error with the rule, as in "must be a whole number". The rule must not quote the text of a secret. */
  parse: (text: string) => T
  /** For a default that is weaker than what may be set; left out: `parse`. */
  parseDefault?: (text: string) => T
  /** One line without the default, for --help and the documents. */
  help: string
  /** Is never quoted in an error, and is masked by --print-config unless `show` masks it. */
  secret?: boolean
  /** What --print-config shows; left out: the text that was set, or the default. */
  show?: (value: T) => string
  /** Lines of --print-config that say more about the value in force. */
  notes?: (value: T | undefined) => readonly string[]
  usedBy: readonly C[]
}

export interface Setting<T, C extends Command = Command> {
  readonly name: string
  readonly defaultText: string
  readonly help: string
  readonly secret: boolean
  readonly usedBy: readonly C[]
  parse(text: string): T
  /** The value while nothing is set. */
  fallback(given: Given): T
  /** One line for --print-config; can be set again to the same effect unless it is masked. */
  show(value: T, given: Given): string
  notes(value: T): readonly string[]
}

const MASK = '********'

/** A setting that always has a value. */
export function setting<T, C extends Command>(entry: Entry<T, C, string>): Setting<T, C> {
  const fallbackText = defaultOf(entry)
  return inTable<T, C>(entry, {
    fallback: (given) => (entry.parseDefault ?? entry.parse)(fallbackText(given)),
    show: (value, given) => shown(entry, value, given.text(entry.name) ?? fallbackText(given)),
  })
}

/** A setting whose value is undefined while it is not set and has no default. */
export function optional<T, C extends Command>(
  entry: Entry<T, C, string | undefined>,
): Setting<T | undefined, C> {
  const fallbackText = defaultOf(entry)
  return inTable<T | undefined, C>(entry, {
    fallback(given) {
      const text = fallbackText(given)
      return text === undefined ? undefined : (entry.parseDefault ?? entry.parse)(text)
    },
    show(value, given) {
      if (value === undefined) return ''
      return shown(entry, value, given.text(entry.name) ?? fallbackText(given) ?? '')
    },
  })
}

/** `V`: undefined too, where there may be no value. */
function inTable<V, C extends Command>(
  entry: Omit<Entry<V, C, string | undefined>, 'show'>,
  { fallback, show }: Pick<Setting<V, C>, 'fallback' | 'show'>,
): Setting<V, C> {
  return {
    name: entry.name,
    defaultText: describeDefault(entry),
    help: entry.help,
    secret: entry.secret === true,
    usedBy: entry.usedBy,
    parse: entry.parse,
    fallback,
    show,
    notes: (value) => entry.notes?.(value) ?? [],
  }
}

function defaultOf<D extends string | undefined>(entry: { default: Default<D> }): (given: Given) => D {
  const value = entry.default
  return typeof value === 'function' ? value : () => value
}

function describeDefault(entry: { default: Default<string | undefined>; defaultText?: string }): string {
  if (entry.defaultText !== undefined) return entry.defaultText
  return typeof entry.default === 'string' ? entry.default : 'none'
}

function shown<T>(entry: { secret?: boolean; show?: (value: T) => string }, value: T, text: string): string {
  if (entry.show !== undefined) return entry.show(value)
  return entry.secret === true ? MASK : text
}

/** All that is wrong with the settings, so that they can be corrected in one go. */
export class ConfigError extends Error {
  readonly faults: readonly string[]

  constructor(faults: readonly string[]) {
    super(`the settings are not valid:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`)
    this.name = 'ConfigError'
    this.faults = faults
  }
}

/** A table of settings by the name of its value in the program; `V` has the types of the values. */
export type Table<V> = { readonly [K in keyof V]: Setting<V[K]> }

/** The values of all settings. An invalid one adds a fault and gets its default; one that is not used is not read. */
export function readTable<V extends object>(table: Table<V>, given: Given, faults: string[]): V {
  const values: Partial<V> = {}
  for (const key of keysOf(table)) values[key] = readOne(table[key], given, faults)
  if (!isComplete(table, values)) throw new Error('a setting of the table has no value')
  return values
}

function readOne<T>(one: Setting<T>, given: Given, faults: string[]): T {
  const text = isUsedBy(one, given.command) ? given.text(one.name) : undefined
  if (text === undefined) return one.fallback(given)
  try {
    return one.parse(text)
  } catch (error) {
    const reason = errorMessage(error)
    const joint = one.name.startsWith('--') ? ' ' : '='
    faults.push(one.secret ? `${one.name} ${reason}` : `${one.name}${joint}${text}: ${reason}`)
    return one.fallback(given)
  }
}

export function isUsedBy({ usedBy }: { usedBy: readonly Command[] }, command: Command): boolean {
  return usedBy.includes(command) || (command === 'proxy --verify' && usedBy.includes('proxy'))
}

export function keysOf<T extends object>(table: T): (keyof T)[] {
  const isKey = (key: string): key is Extract<keyof T, string> => Object.hasOwn(table, key)
  return Object.keys(table).filter(isKey)
}

function isComplete<V extends object>(table: Table<V>, values: Partial<V>): values is V {
  return keysOf(table).every((key) => key in values)
}
