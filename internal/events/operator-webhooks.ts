import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { requestJson, respondJson } from '../core/json-content.ts'
import { clientName, operatorName, operatorReason } from '../core/operator-fields.ts'
import { parseBody, validationFailed } from '../core/parse-body.ts'
import type { Middleware } from '../core/request-state.ts'
import { ServiceError } from '../core/service-error.ts'
import { parseTime, TIME_RULE } from '../core/time.ts'
import type { Database } from '../database/database.ts'
import { deliveryBoard, endpointBoard } from './endpoint-board.ts'
import { parseEventId } from './event.ts'
import { disableEndpoint, REPLAY_FAULTS, replayEndpoint, replayEvent } from './replay.ts'

const endpointId = z.uuid('must be the id of an endpoint')
const LIST = z.object({ client: clientName.optional() })
const ONE = z.object({ client: clientName, id: endpointId })
const DISABLE = z.strictObject({ ...ONE.shape, by: operatorName, reason: operatorReason })
/** Without `since` and `event`: what waits. */
const REPLAY = DISABLE.extend({ since: z.string().optional(), event: z.string().optional() })

/** What the console asks about webhooks, behind signIn and jsonBody. Every change is audited. */
export interface OperatorWebhooks {
  /** `{"endpoints":[…],"complete":boolean}` */
  endpoints: Middleware
  /** `{"deliveries":[…]}` of one endpoint */
  deliveries: Middleware
  /** `{"done":boolean}`; false: the endpoint is gone. */
  replay: Middleware
  /** `{"done":boolean}`; false: it was not enabled. */
  disable: Middleware
}

export function operatorWebhooks(database: Database): OperatorWebhooks {
  return {
    async endpoints(ctx) {
      const { client } = parseBody(LIST, { client: ctx.query.client }, 'request')
      respondJson(ctx, await endpointBoard(database, client))
    },
    async deliveries(ctx) {
      const { client, id } = parseBody(ONE, { client: ctx.query.client, id: ctx.query.id }, 'request')
      respondJson(ctx, { deliveries: await deliveryBoard(database, client, id) })
    },
    async replay(ctx) {
      const { client, id, since, event, by, reason } = parseBody(REPLAY, requestJson(ctx), 'replay')
      const note = { id: randomUUID(), by, reason }
      if (event === undefined) {
        const time = since === undefined ? undefined : parseTime(since)
        if (since !== undefined && time === undefined) throw fault('/since', `must be ${TIME_RULE}`)
        return respondJson(ctx, { done: await replayEndpoint(database, { client, id, since: time }, note) })
      }
      if (since !== undefined) throw fault('/since', 'is not for one event')
      const name = parseEventId(event)
      if (name === undefined) throw fault('/event', 'must be the id of an event')
      const outcome = await replayEvent(database, { client, id, event: name }, note)
      if (outcome !== 'replayed' && outcome !== 'gone') throw notReplayed(REPLAY_FAULTS[outcome])
      respondJson(ctx, { done: outcome === 'replayed' })
    },
    async disable(ctx) {
      const { client, id, by, reason } = parseBody(DISABLE, requestJson(ctx), 'request')
      respondJson(ctx, {
        done: await disableEndpoint(database, client, id, { id: randomUUID(), by, reason }),
      })
    },
  }
}

function fault(pointer: string, detail: string) {
  return validationFailed([{ pointer, detail }], 'replay')
}

function notReplayed(why: string): ServiceError {
  const detail = `The event is not sent again: ${why}.`
  return new ServiceError('validation_failed', detail, { errors: [{ pointer: '/event', detail: why }] })
}
