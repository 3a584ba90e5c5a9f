import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Build, Settings } from './contestants.ts'

/** As they were given, each `NAME=...`. */
export interface BuildOptions {
  build?: readonly string[]
  node?: readonly string[]
  flags?: readonly string[]
  env?: readonly string[]
}

const BUILD = /^[\w.-]+$/

/** Throws Error for a build that is not there, and for an option of one that was not named. */
export function readBuilds({ build = [], node = [], flags = [], env = [] }: BuildOptions): Build[] {
  const builds = build.map((text): Build & { settings: Settings } => {
    const [name, directory] = split('--build', text)
    if (!BUILD.test(name)) throw new Error(`--build ${text}: a name has letters, digits and . _ -`)
    if (!existsSync(join(directory, 'dist'))) throw new Error(`--build ${text}: nothing is built there`)
    return { name, directory: resolve(directory), node: undefined, flags: [], settings: {} }
  })
  const named = (option: string, text: string) => {
    const [name, value] = split(option, text)
    const found = builds.find((one) => one.name === name)
    if (found === undefined) throw new Error(`${option} ${text}: there is no --build ${name}`)
    return { found, value }
  }
  for (const text of node) {
    const { found, value } = named('--node', text)
    found.node = value
  }
  for (const text of flags) {
    const { found, value } = named('--flags', text)
    found.flags = value.split(' ').filter((flag) => flag !== '')
  }
  for (const text of env) {
    const { found, value } = named('--env', text)
    const [variable, setting] = split('--env', value)
    found.settings[variable] = setting
  }
  return builds
}

function split(option: string, text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) throw new Error(`${option} ${text}: must be NAME=...`)
  return [text.slice(0, at), text.slice(at + 1)]
}
