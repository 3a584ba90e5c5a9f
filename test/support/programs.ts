import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Debian keeps servers where only root looks. */
const MORE_PLACES = ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/bin']

/** The first of that name in PATH. */
export function inPath(program: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...MORE_PLACES]
  return directories.map((directory) => join(directory, program)).find((file) => existsSync(file))
}

/** The program, or an error that says what to install. */
export function needProgram(program: string, debianPackage: string): string {
  const found = inPath(program)
  if (found !== undefined) return found
  throw new Error(
    `this test needs the program ${program}: apt-get install ${debianPackage}, brew install ${program}`,
  )
}
