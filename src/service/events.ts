import type { Database } from '../../internal/database/database.ts'
import { disabledEndpoint } from '../../internal/events/endpoints.ts'
import { type Event, eventId, type ReadObjects } from '../../internal/events/event.ts'
import { orderJson } from '../../internal/orders/order.ts'
import { findOrders } from '../../internal/orders/order-store.ts'
import { type PaymentState, paymentJson } from '../../internal/payments/payment.ts'
import { findPayments } from '../../internal/payments/read-payments.ts'

const STATES: Readonly<Partial<Record<Event['type'], PaymentState>>> = {
  'payment.completed': 'completed',
  'payment.declined': 'declined',
  'payment.unknown': 'unknown',
}

/** Orders never change, and payments only their state, which the event has. */
export function readObjects(database: Database): ReadObjects {
  return async function readObjects(client, events) {
    const idsOf = (isWanted: (event: Event) => boolean) => events.filter(isWanted).map(({ object }) => object)
    const orderIds = idsOf(({ type }) => type === 'order.created')
    const paymentIds = idsOf(({ type }) => STATES[type] !== undefined)
    const [orders, payments] = await Promise.all([
      orderIds.length === 0 ? [] : findOrders(database, client, orderIds),
      paymentIds.length === 0 ? [] : findPayments(database, client, paymentIds),
    ])
    const orderById = new Map(orders.map((order) => [order.id, order]))
    const paymentById = new Map(payments.map((payment) => [payment.id, payment]))
    const found = new Map<string, string>()
    for (const event of events) {
      const order = orderById.get(event.object)
      const payment = paymentById.get(event.object)
      const state = STATES[event.type]
      if (order !== undefined) found.set(eventId(event), `{"order":${orderJson(order)}}`)
      if (payment !== undefined && state !== undefined)
        found.set(eventId(event), paymentJson({ ...payment, state }))
    }
    await Promise.all(
      events
        .filter(({ type }) => type === 'webhook_endpoint.disabled')
        .map(async (event) => found.set(eventId(event), await disabledEndpoint(database, client, event))),
    )
    return found
  }
}
