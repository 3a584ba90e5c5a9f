import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Spans } from '../../internal/telemetry/spans.ts'
import { VERSION } from '../package-root.ts'

/** undefined: no spans are recorded. Loads OpenTelemetry only where TRACING asks for it. */
export async function openSpans(
  { tracing }: { tracing: boolean },
  logger: Logger,
): Promise<Spans | undefined> {
  if (!tracing) return undefined
  const { openTelemetry } = await import('../../internal/telemetry/open-telemetry.ts')
  return await openTelemetry({
    version: VERSION,
    onTrouble: (reason) => logger.warn({ reason }, 'OpenTelemetry has trouble'),
  })
}
