import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { forgetPeakRss, machineCpuUs, peakRssMb, pin, treeCpuUs, whyNotPinned } from '../bench/processes.ts'

/** Runs this script and waits for its first line; ends it with the test. */
async function runScript(t: TestContext, script: string): Promise<ChildProcess & { pid: number }> {
  const child = spawn(process.execPath, ['--expose-gc', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const { pid } = child
  if (pid === undefined) throw new Error('it runs')
  return Object.assign(child, { pid })
}

/** 0.3 s in the program itself: to ask for the time is a call of the system, which takes more than that when it is all there is. */
const BURN =
  'const end = process.cpuUsage().user + 3e5; while (process.cpuUsage().user < end) for (let n = 0; n < 1e6; n++);'
const WAIT = "console.log('done'); setInterval(() => {}, 1e4);"

test('the CPU time of a process is that of its children too, of those that have ended and of those that run', async (t) => {
  if (process.platform !== 'linux') {
    assert.ok(Number.isNaN(treeCpuUs(process.pid)))
    return
  }
  const ended = `require('child_process').spawnSync(process.execPath, ['-e', ${JSON.stringify(BURN)}]);`
  const child = `${BURN}${WAIT} process.on('disconnect', () => process.exit())`
  const running = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}],
    { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }); setInterval(() => {}, 1e4)`
  for (const script of [`${ended}${WAIT}`, running]) {
    const { pid } = await runScript(t, script)
    assert.ok(treeCpuUs(pid) >= 300_000, `${treeCpuUs(pid)} µs: ${script}`)
  }
})

test('the CPU time of the machine is that of each process', async (t) => {
  if (process.platform !== 'linux') {
    assert.ok(Number.isNaN(machineCpuUs()))
    return
  }
  const before = machineCpuUs()
  await runScript(t, `${BURN}${WAIT}`)
  assert.ok(machineCpuUs() - before >= 280_000, `${machineCpuUs() - before} µs`)
})

test('the highest memory can be forgotten', async (t) => {
  if (process.platform !== 'linux') {
    assert.ok(Number.isNaN(peakRssMb(process.pid)))
    return
  }
  const { pid } = await runScript(t, `let big = Buffer.alloc(200e6, 1); big = undefined; gc(); ${WAIT}`)
  assert.ok(peakRssMb(pid) > 190, `${peakRssMb(pid)} MB`)
  forgetPeakRss(pid)
  assert.ok(peakRssMb(pid) < 150, `${peakRssMb(pid)} MB`)
})

test('a process is pinned with all its threads, or it is said why not', async (t) => {
  const reason = whyNotPinned()
  if (reason !== undefined) {
    assert.match(reason, /no taskset|one core/)
    return
  }
  const { pid } = await runScript(t, WAIT)
  pin(pid, '0')
  const { stdout } = spawnSync('taskset', ['-a', '-c', '-p', `${pid}`], { encoding: 'utf8' })
  const lines = stdout.trim().split('\n')
  assert.ok(lines.length > 1, stdout)
  for (const line of lines) assert.match(line, /: 0$/)
  assert.throws(() => pin(pid, 'none'), /cannot be pinned to core none/)
})
