import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { constants, mkdtempSync, openSync, readFileSync, readSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { LogDestination } from '../../internal/telemetry/log-destination.ts'
import { until } from '../support/until.ts'

const ignore = () => {}

function temporaryFile(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-log-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return join(directory, 'log')
}

/** Open to the end of the process, as a log is: it is still flushed then. */
function open(file: string): LogDestination {
  const fd = openSync(file, 'a')
  return new LogDestination({ fd, shared: true, onTrouble: ignore, onMended: ignore })
}

const PATIENCE_MS = 60_000

test('every line arrives once and in order, whatever their lengths', async (t) => {
  const file = temporaryFile(t)
  const destination = open(file)
  const lines = Array.from({ length: 1_000 }, (_, i) => `${i} ${'é'.repeat((i * 37) % 6_000)}\n`)
  for (const [i, line] of lines.entries()) {
    destination.write(line)
    if (i % 200 === 0) await sleep(1)
  }
  const size = Buffer.byteLength(lines.join(''))
  await until('all is written', () => statSync(file).size === size, PATIENCE_MS)
  assert.ok(readFileSync(file, 'utf8') === lines.join(''))
})

test('a line arrives by itself after a moment, or at once with flushSync', async (t) => {
  const file = temporaryFile(t)
  const destination = open(file)
  destination.write('one\n')
  await until('the line is written', () => readFileSync(file, 'utf8') === 'one\n', PATIENCE_MS)
  destination.write('two\n')
  destination.flushSync()
  assert.equal(readFileSync(file, 'utf8'), 'one\ntwo\n')
})

test('a destination that moves to another file loses and splits no line', async (t) => {
  const files = [temporaryFile(t), temporaryFile(t), temporaryFile(t)]
  const destination = open(files[0] ?? '')
  const lines = Array.from({ length: 900 }, (_, i) => `${i} ${'é'.repeat((i * 37) % 6_000)}\n`)
  for (const [i, line] of lines.entries()) {
    destination.write(line)
    // While a write is going on, and twice at once.
    if (i === 300) for (const file of files.slice(1)) destination.moveTo(openSync(file, 'a'))
    if (i % 200 === 0) await sleep(1)
  }
  const [first = '', between = '', last = ''] = files
  const read = () => readFileSync(first, 'utf8') + readFileSync(last, 'utf8')
  const size = Buffer.byteLength(lines.join(''))
  await until('all is written', () => Buffer.byteLength(read()) === size, PATIENCE_MS)
  assert.ok(read().endsWith('\n') && readFileSync(first, 'utf8').endsWith('\n'))
  assert.deepEqual(read().split('\n').sort(), lines.join('').split('\n').sort())
  assert.equal(readFileSync(between, 'utf8'), '')
})

test('a place that fails is told once and holds nothing up', async () => {
  const troubles: string[] = []
  const fd = openSync('/dev/full', 'a')
  const destination = new LogDestination({
    fd,
    shared: false,
    onTrouble: (reason) => troubles.push(reason),
    onMended: () => assert.fail('it was never mended'),
  })
  const line = `${'x'.repeat(10_000)}\n`
  for (let i = 0; i < 5_000; i++) destination.write(line)
  await until('the trouble is told', () => troubles.length === 1, PATIENCE_MS)
  await sleep(600)
  destination.flushSync()
  assert.equal(troubles.length, 1)
  assert.match(troubles[0] ?? '', /ENOSPC/)
})

test('beyond what may wait lines are lost whole, and their number is told', async (t) => {
  const file = temporaryFile(t)
  execFileSync('mkfifo', [file])
  const fd = openSync(file, constants.O_RDWR | constants.O_NONBLOCK)
  let lost = 0
  const destination = new LogDestination({
    fd,
    shared: false,
    onTrouble: assert.fail,
    onMended: (lines) => {
      lost += lines
    },
  })
  const total = 20_000
  for (let i = 0; i < total; i++) destination.write(`${String(i).padStart(999)}\n`)
  let text = ''
  // Less at a time than a batch, so that batches are taken in part.
  const chunk = Buffer.alloc(10_000)
  const reader = setInterval(() => {
    try {
      text += chunk.toString('latin1', 0, readSync(fd, chunk))
    } catch {
      // Empty for now.
    }
  }, 1)
  t.after(() => clearInterval(reader))
  await until('all is written or lost', () => lost > 0 && text.length / 1_000 + lost === total, PATIENCE_MS)
  assert.ok(lost > total / 4, `${lost} were lost: more than 8 MiB waited`)
  assert.deepEqual(
    text.trimEnd().split('\n').map(Number),
    Array.from({ length: total - lost }, (_, i) => i),
  )
})

test('what several processes write to one slow pipe stays whole lines', async (t) => {
  const program = `
    import { LogDestination } from ${JSON.stringify(new URL('../../internal/telemetry/log-destination.ts', import.meta.url).href)}
    const destination = new LogDestination({ fd: 1, shared: true, onTrouble: console.error, onMended() {} })
    for (let i = 0; i < 2000; i++) {
      destination.write(JSON.stringify({ pid: process.pid, i, text: 'x'.repeat(i % 900) }) + '\\n')
      if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
    }
    // At its end a process waits half a second for a slow pipe, and a busy machine may be slower.
    setInterval(() => {}, 1_000)`
  const script = `for n in 1 2 3; do "$0" --import tsx --input-type=module -e "$1" & done; wait`
  const shell = spawn('sh', ['-c', `{ ${script}; } | cat`, process.execPath, program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  t.after(() => process.kill(-(shell.pid ?? 0), 'SIGKILL'))
  let text = ''
  let count = 0
  for await (const chunk of shell.stdout.setEncoding('utf8')) {
    text += chunk
    count += String(chunk).split('\n').length - 1
    if (count >= 6_000) break
    await sleep(5)
  }
  const lines = text.trimEnd().split('\n')
  assert.equal(lines.length, 6_000)
  const perProcess = new Map<number, number>()
  for (const line of lines) {
    const { pid, i }: { pid: number; i: number } = JSON.parse(line)
    assert.equal(i, perProcess.get(pid) ?? 0, 'lines of a process keep their order')
    perProcess.set(pid, i + 1)
  }
})
