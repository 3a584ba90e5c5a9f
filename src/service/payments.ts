import { type Completer, startCompleter } from '../../internal/payments/completer.ts'
import { settleMsOf } from '../../internal/payments/pay-once.ts'
import { type PaymentStore, paymentStore } from '../../internal/payments/payment-store.ts'
import { paymentResponse } from '../../internal/payments/payments.ts'
import { takeDue } from '../../internal/payments/read-payments.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'
import type { ServiceDependencies } from './dependencies.ts'

export function openPaymentStore({
  config,
  database,
  metrics,
}: Pick<ServiceDependencies, 'config' | 'database'> & { metrics?: Metrics }): PaymentStore {
  return paymentStore(database, {
    settleMs: settleMsOf(config.gatewayTimeoutMs),
    onBatch: (step, items) => metrics?.batchItems.add({ group: `payment_${step}` }, items),
  })
}

/** What settles, in the background, the payments that a crash or a timeout left open. */
export function completer(dependencies: ServiceDependencies): Completer {
  const { database, gateway, logger, metrics } = dependencies
  return startCompleter({
    store: openPaymentStore(dependencies),
    gateway,
    response: paymentResponse,
    random: Math.random,
    takeDue: (take) => takeDue(database, take),
    onSettled({ client, id, state }) {
      metrics.payments.inc({ status: state })
      logger.info({ client, transaction_id: id, state }, 'a payment that was left open is settled')
    },
    onTrouble: (error) =>
      logger.warn({ err: error }, 'payments that were left open could not be asked about'),
  })
}
