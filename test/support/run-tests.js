// Runs files of tests beside each other, each in a process of its own, the slow ones first. Usage:
//
//   node run-tests.js [--together] DIRECTORY RESULTS
//
// --together: files without hooks and settings of their own share a few processes. RESULTS is a directory: it
// gets the sums (sums), the time of each file (times, appended) and what did not pass (failed, appended). The exit code is 0 when all passed.
// The runner of Node.js has no limit that ends a hanging process on every version, and starts no file first.
import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const HERE = fileURLToPath(new URL('.', import.meta.url))
/** A file that hangs ends after this time instead of hanging the run; the slowest takes a minute on a busy machine. */
const LIMIT_MS = 600_000
/** After SIGTERM, in which a process ends the servers that it started. */
const GRACE_MS = 5_000
/** Of what was said about a failure, in the list at the end. */
const LINES_SHOWN = 14
/** A hook of a file would hold for all files of its process, and so would a changed environment. */
const NEEDS_ITS_OWN = /^(before|after|beforeEach|afterEach)\(|process\.env\.\w+ =|process\.chdir\(/m
/** Folder and name, and seconds on an idle machine, of those that would otherwise be waited for at the end. */
const SLOW = new Map(Object.entries(JSON.parse(readFileSync(join(HERE, 'slow-files.json'), 'utf8'))))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { together: { type: 'boolean', default: false } },
})
const [directory = '', results = ''] = positionals
/** Files wait for more than half of their time: with two processes a core both are busy. */
const processes = 2 * Number(process.env.CORES ?? availableParallelism())
const running = new Set()
let passed = 0
let failed = 0

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(name, () => {
    for (const child of running) end(child, 'SIGTERM')
    setTimeout(() => process.exit(1), GRACE_MS).unref()
  })
}

const waiting = groups()
await Promise.all(Array.from({ length: processes }, work))
writeFileSync(join(results, 'sums'), `${passed} ${failed}\n`)
process.exitCode = failed === 0 && passed > 0 ? 0 : 1

/** Lists of files, each for one process. */
function groups() {
  const files = readdirSync(directory)
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(directory, name))
    .sort((a, b) => (SLOW.get(known(b)) ?? 0) - (SLOW.get(known(a)) ?? 0))
  if (!values.together) return files.map((file) => [file])
  const isAlone = (file) => SLOW.has(known(file)) || NEEDS_ITS_OWN.test(readFileSync(file, 'utf8'))
  const shared = files.filter((file) => !isAlone(file))
  const parts = Array.from({ length: processes }, (_, n) =>
    shared.filter((_file, at) => at % processes === n),
  )
  return [...files.filter(isAlone).map((file) => [file]), ...parts.filter((part) => part.length > 0)]
}

function known(file) {
  return `${basename(directory)}/${basename(file)}`
}

async function work() {
  for (let files = waiting.shift(); files !== undefined; files = waiting.shift()) await runFiles(files)
}

async function runFiles(files) {
  const [first = ''] = files
  const report = join(results, `${basename(directory)}-${basename(first)}.jsonl`)
  const started = performance.now()
  const output = await run(files, report)
  const seconds = (performance.now() - started) / 1_000
  const name = files.length === 1 ? first : `${first} and ${files.length - 1} others`
  appendFileSync(join(results, 'times'), `${seconds.toFixed(1)} ${name}\n`)
  judge(name, report, output)
}

/** Resolves with how it ended and what it wrote besides. */
async function run(files, report) {
  const args = [
    // The embedded database runs for seconds: optimising its code takes longer than that saves.
    '--liftoff-only',
    '--import',
    join(HERE, 'typescript.js'),
    `--test-reporter=${join(HERE, 'report-lines.js')}`,
    `--test-reporter-destination=${report}`,
    ...(files.length === 1 ? files : [join(HERE, 'together.js'), ...files]),
  ]
  // A group of its own: what it started and left behind ends with it.
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let text = ''
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    end(child, 'SIGTERM')
  }, LIMIT_MS)
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
  }
  const [code, signal] = await new Promise((resolve) => {
    child.once('error', (error) => resolve([undefined, error.message]))
    // Not 'close': what it left behind may hold its output.
    child.once('exit', (...how) => resolve(how))
  })
  clearTimeout(timer)
  kill(child, 'SIGKILL')
  running.delete(child)
  return {
    text,
    ending: isLate ? `did not end within ${LIMIT_MS / 1_000} s` : `ended with ${signal ?? code}`,
    code,
  }
}

function end(child, signal) {
  kill(child, signal)
  setTimeout(() => kill(child, 'SIGKILL'), GRACE_MS).unref()
}

function kill(child, signal) {
  try {
    process.kill(-child.pid, signal)
  } catch {
    // It has ended, with all that it started.
  }
}

function judge(name, report, { text, ending, code }) {
  const lines = existsSync(report) ? readFileSync(report, 'utf8').trim().split('\n').filter(Boolean) : []
  const records = lines.map((line) => JSON.parse(line))
  const sums = records.find((record) => record.sums !== undefined)?.sums
  const bad = records.filter((record) => record.name !== undefined)
  for (const one of bad) tell(name, one.name, one.text)
  // What was cancelled, skipped or put off did not pass: nothing is left out in silence.
  const { pass = 0, fail = 0, cancelled = 0, skipped = 0, todo = 0 } = sums ?? {}
  const notPassed = fail + cancelled + skipped + todo
  passed += pass
  failed += notPassed
  if (sums !== undefined && pass + notPassed > 0 && (code === 0) === (fail + cancelled === 0)) {
    if (notPassed > 0 && text !== '') process.stdout.write(indent(text.trimEnd().split('\n').slice(-40)))
    return
  }
  failed += 1
  tell(
    name,
    sums === undefined ? 'no result' : 'its end',
    `${ending}\n${text.trimEnd().split('\n').slice(-30).join('\n')}`,
  )
}

function tell(file, name, text) {
  const lines = text.split('\n').slice(0, LINES_SHOWN)
  const block = `not ok: ${file}: ${name}\n${indent(lines)}`
  process.stdout.write(block)
  appendFileSync(join(results, 'failed'), block)
}

function indent(lines) {
  return lines.map((line) => `    ${line}\n`).join('')
}
