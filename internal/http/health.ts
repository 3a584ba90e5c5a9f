import type { Stage } from '../request-state.ts'
import { ServiceError } from '../service-error.ts'

/** Resolves when the service behind it answers, within a deadline of its own. */
export type Probe = () => Promise<void>

export interface HealthOptions {
  /** By name: `database`, `redis`. */
  probes: Readonly<Record<string, Probe>>
  stopping: () => boolean
  version: string
}

interface Finding {
  status: 'up' | 'down'
  latency_ms: number
}

/** `GET /livez`: the process answers. Whether its stores do is another question, one that a restart does not help. */
export function livez(): Stage {
  return async function livez(ctx) {
    ctx.body = 'ok\n'
  }
}

/** `GET /readyz`: 200 while every service behind it answers, 503 otherwise and from the moment of SIGTERM on. */
export function readyz(options: HealthOptions): Stage {
  return async function readyz(ctx) {
    if (options.stopping()) {
      throw new ServiceError('shutting_down', 'The service is shutting down.', { retryAfterMs: 1_000 })
    }
    const down = Object.entries(await probeAll(options.probes)).filter(([, { status }]) => status === 'down')
    if (down.length > 0) {
      const names = down.map(([name]) => name).join(', ')
      throw new ServiceError('store_unavailable', `Not ready: ${names} does not answer.`, {
        retryAfterMs: 1_000,
      })
    }
    ctx.body = 'ready\n'
  }
}

/** `GET /health`: `{"status","version","uptime_s","services":{name:{"status","latency_ms"}}}`, 503 if one is down. */
export function health(options: HealthOptions): Stage {
  return async function health(ctx) {
    const services = await probeAll(options.probes)
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

async function probeAll(probes: HealthOptions['probes']): Promise<Record<string, Finding>> {
  const findings = Object.entries(probes).map(async ([name, probe]): Promise<[string, Finding]> => {
    const startedMs = performance.now()
    const status = await probe().then(
      () => 'up' as const,
      () => 'down' as const,
    )
    return [name, { status, latency_ms: Math.round((performance.now() - startedMs) * 10) / 10 }]
  })
  return Object.fromEntries(await Promise.all(findings))
}
