import { idempotencyStoreContract } from '../contract/idempotency-store.ts'
import { orderStoreContract } from '../contract/order-store.ts'
import { paymentStoreContract, SETTLE_MS } from '../contract/payment-store.ts'
import { ModelKeys } from './model-keys.ts'
import { ModelOrders } from './model-orders.ts'
import { ModelPayments } from './model-payments.ts'

// The models that the simulation runs on keep what the real stores keep: the same suites hold both.
const DAY_MS = 86_400_000

idempotencyStoreContract('the model of the keys', async () => {
  const keys = new ModelKeys(Date.now)
  return {
    store: keys.store(DAY_MS),
    withTtl: (ttlMs) => keys.store(ttlMs),
    records: keys.records(DAY_MS),
    close: async () => {},
  }
})

orderStoreContract('the model of the orders', async () => {
  const orders = new ModelOrders()
  return {
    orders,
    count: async (key) => orders.rows.filter(({ order }) => order.key === key).length,
    close: async () => {},
  }
})

paymentStoreContract('the model of the payments', async () => {
  const payments = new ModelPayments({ settleMs: SETTLE_MS, now: Date.now })
  return {
    store: payments,
    another: () => payments,
    find: (client, id) => payments.find(client, id),
    readKey: (of) => payments.readKey(of),
    takeDue: (take) => payments.takeDue(take),
    takeUnknown: (of) => payments.takeUnknown(of),
    events: async (id) => payments.events.filter((event) => event.id === id),
    async elapse(id, ms) {
      for (const row of payments.rows) {
        if (row.payment.id !== id) continue
        row.leaseUntilMs -= ms
        row.sentAtMs -= ms
        if (row.checkAtMs !== undefined) row.checkAtMs -= ms
      }
    },
    close: async () => {},
  }
})
