import type { OwnLimits } from '../../internal/ratelimit/client-limits.ts'
import { type Limit, parseClientLimits } from '../../internal/ratelimit/rate-limits.ts'
import type { ClientRegistry } from '../../internal/signature/client-registry.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'

/** Distinct texts that are kept parsed; clients share a few plans. */
const MAX_PLANS = 10_000

/** The limits of each client, by the registry. A text that cannot be parsed is reported once and counts as none. */
export function clientLimits(registry: ClientRegistry, logger: Pick<Logger, 'error'>): OwnLimits {
  const plans = new Map<string, readonly Limit[] | undefined>()
  return (client) => {
    const text = registry.find(client)?.limits
    if (text === undefined) return undefined
    if (plans.has(text)) return plans.get(text)
    if (plans.size >= MAX_PLANS) plans.clear()
    const plan = parse(text, client, logger)
    plans.set(text, plan)
    return plan
  }
}

function parse(text: string, client: string, logger: Pick<Logger, 'error'>): readonly Limit[] | undefined {
  try {
    return parseClientLimits(text)
  } catch (error) {
    logger.error({ client, err: error }, 'the limits of a client cannot be read: the common ones apply')
    return undefined
  }
}
