import { withVariables } from '../../internal/database/database-url.ts'
import type { Keyring } from '../../internal/signature/keyring.ts'
import { isDemo } from './demo.ts'
import { findClashes } from './find-clashes.ts'
import { type Command, ConfigError, type Given, readTable, type Setting } from './setting.ts'
import { SETTINGS } from './settings.ts'

type Settings = typeof SETTINGS
/** All values that a table of settings can have. */
export type Values = { readonly [K in keyof Settings]: Settings[K] extends Setting<infer T> ? T : never }
type WithItsTable<C extends Command> = C extends 'proxy --verify' ? C | 'proxy' : C
type UsedBy<C extends Command> = {
  [K in keyof Settings]: WithItsTable<C> & Settings[K]['usedBy'][number] extends never ? never : K
}[keyof Settings]

/** The settings that a command uses; others do not compile. */
export type ConfigOf<C extends Command> = Pick<Values, UsedBy<C>>
export type Config = ConfigOf<'serve'>
/** Common to the service and the sidecar. */
export type SharedConfig = Pick<Values, UsedBy<'serve'> & UsedBy<'proxy --verify'>>

/**
 * Reads and checks the settings of a command. Throws ConfigError with all faults at once; secrets are never quoted.
 */
export function readConfig<C extends Command>(command: C, env: NodeJS.ProcessEnv = process.env): ConfigOf<C> {
  return readSettings(command, env).values
}

/** The same, with what the defaults depend on, for printConfig(). */
export function readSettings(
  command: Command,
  env: NodeJS.ProcessEnv = process.env,
): { values: Values; given: Given } {
  const given = circumstances(command, env)
  const faults: string[] = []
  const values: Values = readTable<Values>(SETTINGS, given, faults)
  faults.push(...findClashes(values, given))
  if (faults.length > 0) throw new ConfigError(faults)
  return { values, given }
}

/** The environment with the options of a command in place of variables. */
export function environmentWith(
  options: Record<string, string | undefined>,
  env: NodeJS.ProcessEnv = process.env,
): NodeJS.ProcessEnv {
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  return Object.assign({}, env, Object.fromEntries(given))
}

/** Completed with the variables of libpq. */
const URLS = new Set(['DATABASE_URL', 'DATABASE_DIRECT_URL'])

function circumstances(command: Command, env: NodeJS.ProcessEnv): Given {
  const production = env.NODE_ENV === 'production'
  // The driver refuses the default of libpq; the URL has it already.
  if (env.PGTARGETSESSIONATTRS === 'any') delete process.env.PGTARGETSESSIONATTRS
  return {
    command,
    production,
    isDemo: isDemo({ production, host: env.HOST || '127.0.0.1' }),
    text: (name) => {
      const value = env[name] || undefined
      return value !== undefined && URLS.has(name) ? withVariables(value, env) : value
    },
  }
}

/** The key that seals secrets, then the old one; empty without. */
export function keyringOf({
  secretsKey,
  secretsKeyOld,
}: Pick<Values, 'secretsKey' | 'secretsKeyOld'>): Keyring {
  return [secretsKey, secretsKeyOld].filter((key) => key !== undefined)
}
