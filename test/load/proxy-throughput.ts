/*
 * npm run bench:proxy: requests a second through the sidecar, without a key, over 64 connections, against the least
 * that undici can do (a server, pool.request and a pipe) and against http-proxy. All take turns in one run, so that
 * what else the machine does hits them alike; medians. Exit code 1 if the sidecar is more than 10 % below undici, or
 * not above http-proxy.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { redisUrl } from '../support/servers.ts'
import { startService } from '../support/service.ts'

const CONNECTIONS = 64
const ROUNDS = Number(process.argv[2] ?? 9)
const ROUND_MS = 2_000
const WARM_UP_MS = 1_500
const WORST_RATIO = 0.9

const started: ChildProcess[] = []
const FORWARDER = fileURLToPath(new URL('./bare-forwarder.ts', import.meta.url))

const target = `http://127.0.0.1:${(await forwarder('backend')).port}`
const settings = { REDIS_URL: redisUrl, LOG_FILE: '/dev/null' }
const sidecar = await startService(settings, ['proxy', '--target', target])
const runners: Record<string, Runner> = {
  'undici, bare': await forwarder('undici', target),
  'oncekey proxy': sidecar,
  'http-proxy': await forwarder('http-proxy', target),
}
const rates = new Map(Object.keys(runners).map((name): [string, number[]] => [name, []]))
const costs = new Map(Object.keys(runners).map((name): [string, number[]] => [name, []]))
for (const { port } of Object.values(runners)) await load(port, WARM_UP_MS)
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, { port, pid }] of Object.entries(runners)) {
    const beforeUs = cpuUs(pid)
    const { answers, seconds } = await load(port, ROUND_MS)
    rates.get(name)?.push(answers / seconds)
    costs.get(name)?.push((cpuUs(pid) - beforeUs) / answers)
  }
}
await sidecar.stop()
for (const child of started) child.kill()

const median = (name: string, of = rates) => {
  const sorted = (of.get(name) ?? []).toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
for (const name of rates.keys()) {
  const all = (rates.get(name) ?? []).map((rate) => Math.round(rate)).join(' ')
  const cost = `${median(name, costs).toFixed(1)} µs of CPU each`
  console.log(`${name.padEnd(14)} ${Math.round(median(name)).toString().padStart(7)}/s, ${cost}   (${all})`)
}
const toUndici = median('oncekey proxy') / median('undici, bare')
const toHttpProxy = median('oncekey proxy') / median('http-proxy')
console.log(
  `oncekey proxy / undici: ${toUndici.toFixed(2)}; oncekey proxy / http-proxy: ${toHttpProxy.toFixed(2)}`,
)
process.exit(toUndici >= WORST_RATIO && toHttpProxy > 1 ? 0 : 1)

interface Runner {
  port: number
  pid: number
}

/** Of the process so far; less than the rate does it depend on what else the machine does. */
function cpuUs(pid: number): number {
  if (process.platform !== 'linux') return Number.NaN
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')
  // utime and stime, in ticks of 10 ms.
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

async function forwarder(kind: string, ...args: string[]): Promise<Runner> {
  const child = spawn(process.execPath, ['--no-deprecation', '--import', 'tsx', FORWARDER, kind, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  started.push(child)
  const [line] = await once(child.stdout, 'data')
  return { port: Number(String(line)), pid: child.pid ?? 0 }
}

/** The cheapest client there is: each connection sends its next request when an answer has come whole. */
async function load(port: number, durationMs: number): Promise<{ answers: number; seconds: number }> {
  const request = `GET /hello?n=1 HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAccept: */*\r\nUser-Agent: bench\r\n\r\n`
  let answers = 0
  const startedMs = performance.now()
  const isOver = () => performance.now() - startedMs >= durationMs
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = connect(port, '127.0.0.1').setNoDelay(true)
      let text = ''
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1')
        // The last byte of the one body that the backend gives.
        if (!/\r\n\r\n.*}(?:\r\n0\r\n\r\n)?$/s.test(text)) return
        if (!text.startsWith('HTTP/1.1 200')) throw new Error(`an answer begins with ${text.slice(0, 40)}`)
        text = ''
        answers++
        if (isOver()) socket.end()
        else socket.write(request)
      })
      socket.write(request)
      await once(socket, 'close')
    }),
  )
  return { answers, seconds: (performance.now() - startedMs) / 1_000 }
}
