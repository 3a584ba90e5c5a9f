import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { FaultProxy } from '../../src/tools/faults/fault-proxy.ts'
import type { FaultPlan } from '../../src/tools/faults/faults.ts'
import { startRedis, type ThrowawayServer } from './servers.ts'
import { type Service, startService } from './service.ts'

/** How the promise is broken on purpose, so that the checker can show that it notices. */
export type Sabotage = 'release' | 'bypass'

export interface Run {
  key: string | null
  run: number
  path: string
  at: string
}

export interface ProxySetup {
  redis: ThrowawayServer
  sidecars: readonly Service[]
  /** What clients dial, one for each sidecar. */
  before: readonly FaultProxy[]
  /** What the sidecars take for the backend. */
  behind: FaultProxy
  /** What the backend has done, from the file that it writes before it responds. */
  runs(): Run[]
  heal(): void
  close(): Promise<void>
}

export interface ProxySetupOptions {
  seed: string
  leaseMs: number
  /** How long the sidecars wait for the backend. */
  timeoutMs: number
  sabotage?: Sabotage | undefined
}

const run = z.object({
  key: z.string().nullable(),
  run: z.number().int(),
  path: z.string(),
  at: z.string(),
})

/** Clients -> fault proxies -> two sidecars on one Redis -> fault proxy -> a backend that counts. Without faults yet. */
export async function openProxySetup(options: ProxySetupOptions): Promise<ProxySetup> {
  const directory = mkdtempSync(join(tmpdir(), 'oncekey-stage-'))
  /** The last first: what dials goes before what is dialled. */
  const opened: (() => unknown)[] = [() => rmSync(directory, { recursive: true, force: true })]
  const close = async () => {
    for (const end of opened.splice(0).reverse()) await end()
  }
  try {
    return { ...(await open(options, join(directory, 'ledger.jsonl'), (end) => opened.push(end))), close }
  } catch (error) {
    // A fault proxy that is left listening would keep the process for ever.
    await close()
    throw error
  }
}

async function open(
  options: ProxySetupOptions,
  ledger: string,
  onOpen: (end: () => unknown) => void,
): Promise<Omit<ProxySetup, 'close'>> {
  const { seed, sabotage } = options
  const redis = await startRedis()
  onOpen(() => {
    redis.resume()
    return redis.stop()
  })
  const backend = await startService({}, ['backend', '--port', '0', '--ledger', ledger])
  onOpen(() => backend.stop())
  const faultsBefore = async (port: number, name: string) => {
    const proxy = new FaultProxy({ target: { host: '127.0.0.1', port }, seed: `${seed}/${name}` })
    onOpen(() => proxy.close())
    return await proxy.start()
  }
  const behind = await faultsBefore(backend.port, 'behind')
  const sidecars = sabotage === 'bypass' ? [] : await startSidecars(redis.url, behind.port, options)
  for (const sidecar of sidecars) onOpen(() => sidecar.kill())
  const ports = sabotage === 'bypass' ? [behind.port, behind.port] : sidecars.map(({ port }) => port)
  const before = await Promise.all(ports.map((port, n) => faultsBefore(port, `before ${n}`)))
  return {
    redis,
    sidecars,
    before,
    behind,
    runs() {
      const lines = readFileSync(ledger, 'utf8').split('\n').slice(0, -1)
      return lines.map((line) => run.parse(JSON.parse(line)))
    },
    heal() {
      for (const proxy of [...before, behind]) {
        proxy.set({})
        proxy.cutAll('close')
      }
    },
  }
}

async function startSidecars(redis: string, port: number, options: ProxySetupOptions): Promise<Service[]> {
  const { leaseMs, timeoutMs, sabotage } = options
  const onUnknown = sabotage === 'release' ? 'release' : 'hold'
  const args = ['proxy', '--target', `http://127.0.0.1:${port}`, '--timeout', `${timeoutMs}ms`]
  const settings = {
    REDIS_URL: redis,
    IDEMPOTENCY_LEASE: `${leaseMs}ms`,
    SHUTDOWN_GRACE: '1s',
    LOG_LEVEL: 'warn',
  }
  return await Promise.all([1, 2].map(() => startService(settings, [...args, '--on-unknown', onUnknown])))
}

/** What becomes of a connection between sidecar and backend; it carries a few requests of about 300 bytes each way. */
export const FAULTS_BEHIND: FaultPlan = (_n, random) => {
  const kind = random()
  const bytes = Math.floor(random() * 4_000)
  const reset = random() < 0.5
  if (kind < 0.3) return { cut: { directions: 'down', afterBytes: bytes, reset } }
  if (kind < 0.5) return { cut: { directions: 'up', afterBytes: bytes, reset } }
  if (kind < 0.6) return { blackhole: { directions: 'down', afterBytes: bytes } }
  if (kind < 0.65) return { blackhole: { directions: 'up', afterBytes: bytes } }
  if (kind < 0.75) return { halfClose: { direction: 'down', afterBytes: bytes } }
  if (kind < 0.9)
    return { latencyMs: 5, jitterMs: 50, cut: { directions: 'both', afterBytes: 4 * bytes, reset } }
  if (kind < 0.95) return { refuse: true }
  return {}
}

/** Between client and sidecar: requests that do not arrive whole, and responses that get lost. */
export const FAULTS_BEFORE: FaultPlan = (_n, random) => {
  const kind = random()
  const bytes = Math.floor(random() * 6_000)
  const reset = random() < 0.5
  if (kind < 0.4) return { cut: { directions: 'down', afterBytes: bytes, reset } }
  if (kind < 0.7) return { cut: { directions: 'up', afterBytes: bytes, reset } }
  if (kind < 0.72) return { blackhole: { directions: 'down', afterBytes: bytes } }
  if (kind < 0.85)
    return { latencyMs: 5, jitterMs: 30, cut: { directions: 'both', afterBytes: 4 * bytes, reset } }
  if (kind < 0.9) return { refuse: true }
  return {}
}
