import type { Values } from './config.ts'
import { type Given, isUsedBy, keysOf, type Setting } from './setting.ts'
import { SETTINGS } from './settings.ts'

/** The settings in force that the command uses, one `NAME=value` a line, secrets masked; `#` begins a note. */
export function printConfig({ values, given }: { values: Values; given: Given }): string {
  return keysOf(SETTINGS)
    .filter((key) => isUsedBy(SETTINGS[key], given.command))
    .map((key) => lines(key, values, given))
    .join('')
}

function lines<K extends keyof Values>(key: K, values: Values, given: Given): string {
  const settings: { readonly [N in keyof Values]: Setting<Values[N]> } = SETTINGS
  const one = settings[key]
  const notes = one.notes(values[key]).map((note) => `# ${note}\n`)
  return `${notes.join('')}${one.name}=${one.show(values[key], given)}\n`
}
