import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MANIFEST = z.object({
  name: z.string(),
  version: z.string(),
  dependencies: z.record(z.string(), z.string()),
  bin: z.record(z.string(), z.string()),
})
export const manifest = MANIFEST.parse(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')))

const directories: string[] = []
process.on('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
})

/** Until the test process ends. The real path: what is found through links is compared with it. */
function temporaryDirectory(): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'oncekey-package-')))
  directories.push(directory)
  return directory
}

const TARBALL = z.object({ filename: z.string(), files: z.array(z.object({ path: z.string() })) })
/** npm to version 11 prints a list, npm 12 an object whose members are named like the packages. */
const PACKED = z.union([
  z.tuple([TARBALL]).transform(([one]) => one),
  z.object({ [manifest.name]: TARBALL }).transform((all, context) => {
    const one = all[manifest.name]
    if (one !== undefined) return one
    context.addIssue(`${manifest.name} is not there`)
    return z.NEVER
  }),
])

export interface Package {
  /** The .tgz that would be published. */
  tarball: string
  /** The paths of the files in it, sorted. */
  files: string[]
}

/** What `npm publish` would send. */
export function pack(): Package {
  // Under the lock of all builds and only if something is stale; npm's own run of `prepack` would build again.
  execFileSync(process.execPath, [join(ROOT, 'src/oncekey.js'), '--build'], { stdio: 'pipe' })
  const directory = temporaryDirectory()
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', directory]
  const output = execFileSync('npm', args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' })
  const { filename, files } = PACKED.parse(JSON.parse(output))
  return { tarball: join(directory, filename), files: files.map(({ path }) => path).sort() }
}

export interface Installation {
  /** An empty project with the package in its node_modules. */
  directory: string
  /** Where the package is. */
  package: string
  /** The command, as `npx oncekey` finds it. */
  command: string
}

/**
 * Lays the package out as `npm install` does, without the network: only the dependencies that it names, and
 * `others`, can be found from there, as links to those of this clone.
 */
export function install({ tarball }: Package, others: string[] = []): Installation {
  const directory = temporaryDirectory()
  const modules = join(directory, 'node_modules')
  const target = join(modules, manifest.name)
  mkdirSync(target, { recursive: true })
  execFileSync('tar', ['-xzf', tarball, '-C', target, '--strip-components=1'])
  const unpacked = MANIFEST.parse(JSON.parse(readFileSync(join(target, 'package.json'), 'utf8')))
  for (const name of new Set([...Object.keys(unpacked.dependencies), ...others])) {
    mkdirSync(dirname(join(modules, name)), { recursive: true })
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name), 'dir')
  }
  mkdirSync(join(modules, '.bin'))
  for (const [name, file] of Object.entries(unpacked.bin)) {
    chmodSync(join(target, file), 0o755)
    symlinkSync(join('..', manifest.name, file), join(modules, '.bin', name))
  }
  return { directory, package: target, command: join(modules, '.bin', manifest.name) }
}

/** Runs a program to its end, with no settings of ours in its environment. */
export function runIn(directory: string, program: string, args: string[]) {
  const { PATH = '', HOME = '' } = process.env
  const options = { cwd: directory, env: { PATH, HOME }, encoding: 'utf8', timeout: 60_000 } as const
  const { status, stdout, stderr } = spawnSync(program, args, options)
  return { status, stdout, stderr }
}
