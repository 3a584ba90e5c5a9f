import { type Deliverer, startDeliverer } from '../../internal/events/deliverer.ts'
import { endpointRoutes } from '../../internal/events/endpoint-routes.ts'
import { postWebhook } from '../../internal/events/post-webhook.ts'
import { isDemo } from '../config/demo.ts'
import type { ServiceDependencies } from './dependencies.ts'
import { readObjects } from './events.ts'
import { webhookSealing } from './webhook-sealing.ts'

export function endpointHandlers({ config, database, now }: ServiceDependencies) {
  return endpointRoutes({ database, now, sealing: webhookSealing(config), allowLocal: isDemo(config) })
}

/** Sends the events of all endpoints. Any number of nodes and workers may run it. */
export function deliverer(dependencies: ServiceDependencies): Deliverer {
  const { config, database, logger, metrics, now } = dependencies
  const allowLocal = isDemo(config)
  return startDeliverer({
    database,
    sealing: webhookSealing(config),
    readObjects: readObjects(database),
    post: (request) => postWebhook({ ...request, allowLocal }),
    now,
    random: Math.random,
    onAttempt({ client, endpoint, outcome, durationMs }) {
      metrics.webhookAttempts.add({ outcome }, durationMs / 1_000)
      if (outcome === 'disabled') logger.warn({ client, endpoint }, 'a webhook endpoint was disabled')
    },
    onTrouble: (error) => logger.warn({ err: error }, 'events could not be delivered'),
  })
}
