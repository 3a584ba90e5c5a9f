import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'

/** Resolves when the service behind it does what a request needs, within a deadline of its own; rejects with why not. */
export type Probe = () => Promise<void>

export interface HealthOptions {
  /** By name: `database`, `redis`. */
  probes: Readonly<Record<string, Probe>>
  /** What is shown of why a probe rejected: a predicate that may be public. */
  reasonOf: (error: unknown) => string
  /** Called when a service behind this one is down, with the reason, and when it is up again. */
  onChange?: (name: string, status: 'up' | 'down', cause: unknown) => void
  stopping: () => boolean
  version: string
}

interface Finding {
  status: 'up' | 'down'
  latency_ms: number
  /** Of one that is down. */
  reason?: string
}

/** `GET /livez`: the process responds. Whether its stores do is another question, one that a restart does not help. */
export function livez(): Middleware {
  return async function livez(ctx) {
    ctx.body = 'ok\n'
  }
}

/** `GET /readyz`: 200 while every service behind it can do what a request needs, 503 otherwise and from the moment of SIGTERM on. */
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

/** `GET /health`: `{"status","version","uptime_s","services":{name:{"status","latency_ms","reason"?}}}`, 503 if one is down. */
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

/** As they were when they were looked at last, for each process. */
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
