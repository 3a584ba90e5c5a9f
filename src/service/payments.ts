import { type Completer, startCompleter } from '../../internal/payments/completer.ts'
import type { PaymentGateway } from '../../internal/payments/gateway.ts'
import { type GuardedGateway, guardedGateway } from '../../internal/payments/guarded-gateway.ts'
import { httpGateway } from '../../internal/payments/http-gateway.ts'
import { settleMsOf } from '../../internal/payments/pay-once.ts'
import { type PaymentStore, paymentStore } from '../../internal/payments/payment-store.ts'
import { paymentResponse } from '../../internal/payments/payments.ts'
import { takeDue } from '../../internal/payments/read-payments.ts'
import { simulatedGateway } from '../../internal/payments/simulated-gateway.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'
import type { Config } from '../config/config.ts'
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

/** Settles open payments in the background. */
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

const STATE = { closed: 0, half_open: 1, open: 2 } as const

/** The payment gateway, or the simulated one, behind a circuit breaker. */
export function openGateway(config: Config, logger: Logger, metrics: Metrics): GuardedGateway {
  const gateway = gatewayOf(config)
  let opened = false
  return guardedGateway(gateway, {
    onState(state) {
      metrics.circuitState.set({ name: 'payment_gateway' }, STATE[state])
      if (state === 'open' && !opened) logger.error('the circuit breaker of the payment gateway opened')
      if (state === 'closed' && opened) logger.info('the payment gateway is back')
      opened = state !== 'closed'
    },
    onCall: (outcome, seconds) => metrics.gatewayDuration.add({ outcome }, seconds),
  })
}

function gatewayOf({ gatewayUrl, gatewayTimeoutMs, simulatedGateway: simulated }: Config): PaymentGateway {
  if (gatewayUrl !== undefined) return httpGateway({ url: gatewayUrl, timeoutMs: gatewayTimeoutMs })
  if (simulated === undefined) throw new Error('neither GATEWAY_URL nor SIMULATED_GATEWAY is set')
  return simulatedGateway(simulated)
}
