import { execFile } from 'node:child_process'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { needProgram } from './programs.ts'

export const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url))

interface Language {
  /** The program that runs it, and the packages of Debian that have it. */
  program: [name: string, debianPackages: string]
  /** What makes a program of the file first. */
  compile?: {
    program: [name: string, debianPackages: string]
    args: (file: string, made: string) => string[]
  }
}

const LANGUAGES: Readonly<Record<string, Language>> = {
  '.sh': { program: ['bash', 'bash curl openssl'] },
  '.py': { program: ['python3', 'python3 python3-requests'] },
  '.java': { program: ['java', 'openjdk-17-jdk-headless'] },
  '.go': {
    program: ['go', 'golang-go'],
    compile: { program: ['go', 'golang-go'], args: (file, made) => ['build', '-o', made, file] },
  },
  '.php': { program: ['php', 'php-cli php-curl'] },
  '.rb': { program: ['ruby', 'ruby'] },
  '.pl': { program: ['perl', 'perl'] },
  '.cs': {
    program: ['mono', 'mono-runtime libmono-system-net-http4.0-cil libmono-system-core4.0-cil'],
    compile: {
      program: ['mcs', 'mono-mcs'],
      args: (file, made) => ['-r:System.Net.Http', `-out:${made}`, file],
    },
  },
  '.mjs': { program: ['node', 'nodejs'] },
}

/** On a machine that compiles Go for the first time. */
export const EXAMPLE_TIMEOUT_MS = 180_000

/** What an example sees of the environment, besides its own settings. */
export function exampleEnvironment(directory: string): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env
  return { PATH, HOME, LC_ALL: 'C.UTF-8', GOCACHE: join(directory, 'go'), GOFLAGS: '-mod=mod' }
}

/**
 * How a file of examples/ is run, after its compiler was. What it makes lies in `directory`. Rejects with what to install
 * where its language is missing.
 */
export async function exampleCommand(
  file: string,
  directory: string,
): Promise<{ program: string; args: string[] }> {
  const language = LANGUAGES[extname(file)]
  if (language === undefined) throw new Error(`${file} is in no language that is known here`)
  const { program, compile } = language
  if (compile === undefined) return { program: needProgram(...program), args: [file] }
  const made = join(directory, `${file}.made`)
  const options = { cwd: EXAMPLES, env: exampleEnvironment(directory), timeout: EXAMPLE_TIMEOUT_MS }
  await promisify(execFile)(needProgram(...compile.program), compile.args(file, made), options)
  // Go makes a program, Mono something that Mono runs.
  return compile.program[0] === 'go'
    ? { program: made, args: [] }
    : { program: needProgram(...program), args: [made] }
}
