import { type Command, isUsedBy, type Setting } from './setting.ts'
import { SETTINGS } from './settings.ts'

const WIDTH = 119
const NAME_WIDTH = 25

/** For --help: the settings of a command, a paragraph each; `but`: without those that this command uses too. */
export function settingsHelp(command: Command, but?: Command): string {
  return all()
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

function all(): readonly Setting<unknown>[] {
  return Object.values(SETTINGS)
}
