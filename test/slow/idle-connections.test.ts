import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { exchange } from '../support/raw-http.ts'
import { newKey, signedOrder } from '../support/raw-order.ts'
import { startServiceOnDatabase } from '../support/service-on-database.ts'

const WANTED = 10_000
/** Files that this process and the service need for themselves. */
const SPARE = 500
/** So many at once fit into the queue of a listener. */
const BATCH = 200
/** A connection on which nothing comes costs some kilobytes. */
const MAX_MIB = 300
/** Each gets a response and leaves a line: a busy machine needs its time. */
const PATIENCE_S = 180

const world = await startServiceOnDatabase({ RATE_LIMITS: 'none' })
const sockets: Socket[] = []
after(async () => {
  for (const socket of sockets) socket.destroy()
  await world.close()
})

test('10,000 idle connections keep nobody out, cost little memory, and are ended', async (t) => {
  // Node takes as many files as it may have: the hard limit.
  const files = execFileSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).trim()
  const count = files === 'unlimited' ? WANTED : Math.min(WANTED, Number(files) - SPARE)
  assert.ok(count >= 1_000, `ulimit -Hn is ${files}: too few files for this test`)
  let open = 0
  while (sockets.length < count) {
    const batch = Array.from({ length: Math.min(BATCH, count - sockets.length) }, idle)
    sockets.push(...batch.map(({ socket }) => socket))
    for (const { socket } of batch) socket.once('close', () => open--)
    await Promise.all(batch.map(({ connected }) => connected))
    open += batch.length
  }
  const atOnce = open
  const mib = residentMib(world.service.pid)
  const { responses, ms } = await exchange(world.port, signedOrder({ key: newKey() }), { timeoutMs: 15_000 })
  assert.equal(responses[0]?.status, 201)
  assert.ok(ms < 10_000, `an order took ${ms} ms beside them`)
  assert.ok(mib < MAX_MIB, `${mib} MiB are resident`)
  for (let seconds = 0; open > 0 && seconds < PATIENCE_S; seconds++) await sleep(1_000)
  assert.equal(open, 0, 'all are ended')
  t.diagnostic(
    `${count} connections (ulimit -Hn: ${files}), ${atOnce} at once, ${Math.round(mib)} MiB, an order in ${Math.round(ms)} ms`,
  )
})

function idle(): { socket: Socket; connected: Promise<void> } {
  const socket = connect(world.port, '127.0.0.1')
    .resume()
    .on('error', () => {})
  const connected = new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve).once('error', reject)
  })
  return { socket, connected }
}

function residentMib(pid: number): number {
  if (process.platform !== 'linux') return 0
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kib) / 1024
}
