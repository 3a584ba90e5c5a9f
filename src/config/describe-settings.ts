import type { Values } from './config.ts'
import { type Command, type Given, isUsedBy, keysOf, type Setting } from './setting.ts'
import { SETTINGS } from './settings.ts'

const WIDTH = 119
const NAME_WIDTH = 25

/** For --help: the settings of a command, a paragraph each; `but`: without those that this command uses too. */
export function settingsHelp(command: Command, but?: Command): string {
  const all: readonly Setting<unknown>[] = Object.values(SETTINGS)
  return all
    .filter((one) => isUsedBy(one, command) && (but === undefined || !isUsedBy(one, but)))
    .map(({ name, help, defaultText }) => entry(name, `${help} (${defaultText})`))
    .join('')
}

/** `  NAME    text`, the text wrapped within its column. */
function entry(name: string, words: string): string {
  const lines: string[] = []
  let line = `  ${name}`.padEnd(NAME_WIDTH - 1)
  for (const word of words.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = ' '.repeat(NAME_WIDTH - 1)
    }
    line += ` ${word}`
  }
  return [...lines, line].map((one) => `${one}\n`).join('')
}

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
