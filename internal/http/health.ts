import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'

/** Resolves if the dependency works, rejects with the reason if not. Has its own deadline. */
export type Probe = () => Promise<void>

export interface HealthOptions {
  /** The probes by name: `database`, `redis`. */
  probes: Readonly<Record<string, Probe>>
  /** The reason that may be shown in public, such as `does not respond`. */
  reasonOf: (error: unknown) => string
  /** Called when a dependency goes down, with the cause, and when it is up again. */
  onChange?: (name: string, status: 'up' | 'down', cause: unknown) => void
  stopping: () => boolean
  version: string
}

interface Finding {
  status: 'up' | 'down'
  latency_ms: number
  /** Set if the status is `down`. */
  reason?: string
}

/** `GET /livez`: 200 while the process responds. It ignores the stores: a restart would not repair them. */
export function livez(): Middleware {
  return async function livez(ctx) {
    ctx.body = 'ok\n'
  }
}

/** `GET /readyz`: 200 while every dependency works; 503 otherwise, and after SIGTERM. */
export function readyz(options: HealthOptions): Middleware {
  return async function readyz(ctx) {
    if (options.stopping())
      throw new ServiceError('shutting_down', 'The service is shutting down.', { retryAfterMs: 1_000 })
    const down = Object.entries(await probeAll(options)).filter(([, { status }]) => status === 'down')
    if (down.length > 0) {
      const reasons = down.map(([name, { reason }]) => `${name} ${reason}`).join(', ')
      throw new ServiceError('store_unavailable', `Not ready: ${reasons}.`, { retryAfterMs: 1_000 })
    }
    ctx.body = 'ready\n'
  }
}

/**
 * `GET /health`: `{"status","version","uptime_s","services":{name:{"status","latency_ms","reason"?}}}`; 503 if a
 * dependency is down or the process is stopping.
 */
export function health(options: HealthOptions): Middleware {
  return async function health(ctx) {
    const services = await probeAll(options)
    const up = Object.values(services).every(({ status }) => status === 'up') && !options.stopping()
    ctx.status = up ? 200 : 503
    ctx.set('Cache-Control', 'no-store')
    ctx.body = {
      status: options.stopping() ? 'stopping' : up ? 'up' : 'down',
      version: options.version,
      uptime_s: Math.floor(process.uptime()),
      services,
    }
  }
}

/** The last status of each probe. */
const known = new WeakMap<HealthOptions, Map<string, 'up' | 'down'>>()

async function probeAll(options: HealthOptions): Promise<Record<string, Finding>> {
  const before = known.get(options) ?? new Map<string, 'up' | 'down'>()
  known.set(options, before)
  const findings = Object.entries(options.probes).map(async ([name, probe]): Promise<[string, Finding]> => {
    const startedMs = performance.now()
    const finding: Finding = { status: 'up', latency_ms: 0 }
    let cause: unknown
    try {
      await probe()
    } catch (error) {
      cause = error
      finding.status = 'down'
      finding.reason = options.reasonOf(error)
    }
    finding.latency_ms = Math.round((performance.now() - startedMs) * 10) / 10
    if ((before.get(name) ?? 'up') !== finding.status) options.onChange?.(name, finding.status, cause)
    before.set(name, finding.status)
    return [name, finding]
  })
  return Object.fromEntries(await Promise.all(findings))
}
