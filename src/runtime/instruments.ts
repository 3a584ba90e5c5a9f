import { explainRefusal } from '../../internal/database/explain-refusal.ts'
import { publicReason } from '../../internal/database/public-reason.ts'
import type { Drain } from '../../internal/http/drain.ts'
import type { HealthOptions } from '../../internal/http/health.ts'
import type { ServerOptions } from '../../internal/http/server.ts'
import { createLogger, type Logger } from '../../internal/telemetry/logger.ts'
import { createMetrics, type Metrics } from '../../internal/telemetry/metrics.ts'
import type { Spans } from '../../internal/telemetry/spans.ts'
import type { Config } from '../config/config.ts'
import { VERSION } from '../package-root.ts'
import type { Scrape } from './metrics-app.ts'
import type { WorkerContext } from './running.ts'

export interface Instruments {
  logger: Logger
  metrics: Metrics
  /** The metrics of all workers. */
  scrape: Scrape
  spans: Spans | undefined
}

export async function openInstruments(
  settings: Pick<Config, 'logLevel' | 'logFile' | 'tracing'>,
  { worker, shareMetrics }: WorkerContext,
): Promise<Instruments> {
  const logger = createLogger({ level: settings.logLevel, file: settings.logFile, worker })
  const metrics = createMetrics()
  const scrape = shareMetrics?.(metrics.registry) ?? (() => metrics.registry.metrics())
  return { logger, metrics, scrape, spans: await openSpans(settings, logger) }
}

/** undefined: no spans are recorded. Loads OpenTelemetry only where TRACING asks for it. */
async function openSpans({ tracing }: { tracing: boolean }, logger: Logger): Promise<Spans | undefined> {
  if (!tracing) return undefined
  const { openTelemetry } = await import('../../internal/telemetry/open-telemetry.ts')
  return await openTelemetry({
    version: VERSION,
    onTrouble: (reason) => logger.warn({ reason }, 'OpenTelemetry has trouble'),
  })
}

/** Logs once when a store becomes unavailable, and once when it is back. */
export function healthBy(probes: HealthOptions['probes'], drain: Drain, logger: Logger): HealthOptions {
  return {
    probes,
    reasonOf: publicReason,
    onChange(name, status, cause) {
      if (status === 'up') logger.info({ service: name }, 'a service behind this one can be used again')
      else logger.error({ service: name, err: cause }, `not ready: ${name}: ${explainRefusal(cause)}`)
    },
    stopping: () => drain.stopping,
    version: VERSION,
  }
}

/** Counts and logs what the server refuses before any middleware. */
export function countRefusals({ metrics, logger }: Instruments): NonNullable<ServerOptions['onRefused']> {
  return (reason, fault) => {
    metrics.requestsRefused.inc({ reason })
    logger.info({ reason, fault }, 'request refused')
  }
}
