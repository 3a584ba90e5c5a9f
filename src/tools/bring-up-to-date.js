// Installs what is missing and builds what is stale, before a clone is started. Plain JavaScript on Node's own
// modules, since it runs before anything is installed. Only a clone has this file: the package comes built.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { takeLock } from './build-lock.js'
import { runQuietly } from './run-quietly.js'

const SOURCE_DIRECTORIES = ['src', 'internal']
const SOURCE_FILES = ['package-lock.json', 'tsconfig.json']
/** What editors leave behind. */
const NO_SOURCE = /^\.|~$/
/** What the compiler does not read stands beside its output too: Lua, worker threads; not the files that start it all. */
const NOT_COPIED = /\.ts$|^[^/]+$|^src\/oncekey\.js$|^src\/tools\/[^/]+\.js$/
/** What the service serves of other packages lies compressed in `dist`, so that it needs none of them to run. */
const VENDORED = {
  from: 'node_modules/swagger-ui-dist',
  to: 'internal/docs/vendor',
  served: ['swagger-ui-bundle.js', 'swagger-ui.css'],
  licences: ['LICENSE', 'NOTICE', 'swagger-ui-bundle.js.LICENSE.txt'],
}
/** The files of a new embedded database, and beside them the version of PGlite that made them. */
const INITIAL_DATA = 'initial-data.br'
/** Names, times and sizes of all that `dist` was built from. */
const STAMP = '.built-from'

/**
 * Afterwards the dependencies in `root` are those of its package-lock.json and `dist` is built from its sources.
 * Any number of processes may call this at once: one works, the others wait until all of it is done.
 * `onCompiled` is called when the modules in `dist` can be loaded, while the first embedded database is still made.
 * Rejects with an Error whose message is for the person who started it.
 */
export async function bringUpToDate(root, onCompiled = () => {}) {
  if (isInstalled(root) && isBuilt(root)) return
  const release = await takeLock(join(root, '.dist-lock'))
  try {
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    // The compiler is missing where someone installed without the development dependencies.
    if (!isInstalled(root) || !(isBuilt(root) || existsSync(compiler))) await install(root)
    if (!isBuilt(root)) await build(root, compiler, onCompiled)
  } finally {
    release()
  }
}

function isInstalled(root) {
  return modified(join(root, 'node_modules/.package-lock.json')) >= modified(join(root, 'package-lock.json'))
}

async function install(root) {
  // No dependency runs anything of its own: none needs to, and one would report where it is installed.
  // `npm pack --dry-run` hands its settings down to this npm too.
  const args = ['ci', '--include=dev', '--dry-run=false', '--ignore-scripts', '--no-audit', '--no-fund']
  await runQuietly('installing the dependencies (npm ci)', 'npm', args, root)
  // A lock file with a time in the future must not mean an installation at every start.
  const time = new Date(Math.max(Date.now(), modified(join(root, 'package-lock.json'))))
  utimesSync(join(root, 'node_modules/.package-lock.json'), time, time)
}

function isBuilt(root) {
  return readIfThere(join(root, 'dist', STAMP)) === stampOf(sources(root))
}

function readIfThere(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

async function build(root, compiler, onCompiled) {
  const dist = join(root, 'dist')
  const [fresh, stale, data] = ['new', 'old', 'data'].map((name) =>
    join(root, `.dist-${name}-${process.pid}`),
  )
  // Taken before the compiler reads: what is edited from now on is built by the next start.
  const found = sources(root)
  // Types are checked by `npm run types`: checking them takes longer than all the rest, at each first start.
  const args = [compiler, '-p', 'tsconfig.json', '--outDir', fresh, '--noCheck']
  try {
    mkdirSync(fresh, { recursive: true })
    const compiled = runQuietly('building', process.execPath, args, root)
    const made = makeInitialData(root, data)
    // It is awaited last, and the compiler may fail before.
    made.catch(() => {})
    await compiled
    vendor(root, join(fresh, VENDORED.to))
    for (const { name } of found.filter((source) => !NOT_COPIED.test(source.name))) {
      mkdirSync(dirname(join(fresh, name)), { recursive: true })
      copyFileSync(join(root, name), join(fresh, name))
    }
    if (existsSync(dist)) renameSync(dist, stale)
    renameSync(fresh, dist)
    onCompiled()
    const version = await made
    renameSync(data, join(dist, INITIAL_DATA))
    writeFileSync(join(dist, `${INITIAL_DATA}.version`), version)
    // Last: without it the next start builds again.
    writeFileSync(join(dist, STAMP), stampOf(found))
  } finally {
    for (const name of readdirSync(root).filter((entry) => /^\.dist-(new|old|data)-/.test(entry))) {
      rmSync(join(root, name), { recursive: true, force: true })
    }
  }
}

/**
 * In a process of its own, beside the compiler. Once for each version of PGlite: it takes 3 s of CPU. Resolves to what
 * the file beside the data says.
 */
async function makeInitialData(root, file) {
  const { version } = JSON.parse(
    readFileSync(join(root, 'node_modules/@electric-sql/pglite/package.json'), 'utf8'),
  )
  const note = `${version}\n`
  const before = join(root, 'dist', INITIAL_DATA)
  if (readIfThere(`${before}.version`) === note) {
    copyFileSync(before, file)
  } else {
    // What runs once is not worth optimising: 3 s in place of 5.
    const args = ['--liftoff-only', join(root, 'src/make-initial-data.js'), file, version]
    await runQuietly('creating the first embedded database', process.execPath, args, root)
  }
  return note
}

function vendor(root, directory) {
  const from = (name) => join(root, VENDORED.from, name)
  mkdirSync(directory, { recursive: true })
  for (const name of VENDORED.licences) copyFileSync(from(name), join(directory, name))
  for (const name of VENDORED.served) {
    writeFileSync(join(directory, `${name}.gz`), gzipSync(readFileSync(from(name)), { level: 9 }))
  }
}

/** Sorted by name; the names are relative to `root`, with forward slashes. */
function sources(root) {
  const found = []
  const add = (name) => {
    const { mtimeMs, size } = statSync(join(root, name))
    found.push({ name, mtimeMs, size })
  }
  const walk = (directory) => {
    for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
      const name = `${directory}/${entry.name}`
      if (entry.isDirectory()) walk(name)
      else if (!NO_SOURCE.test(entry.name)) add(name)
    }
  }
  SOURCE_FILES.forEach(add)
  SOURCE_DIRECTORIES.forEach(walk)
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function stampOf(found) {
  return found.map(({ name, mtimeMs, size }) => `${name} ${mtimeMs} ${size}\n`).join('')
}

/** Milliseconds since 1970, -1 for a file that is not there. */
function modified(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? -1
}
