import type { PaymentGateway } from '../../internal/payments/gateway.ts'
import { type GuardedGateway, guardedGateway } from '../../internal/payments/guarded-gateway.ts'
import { httpGateway } from '../../internal/payments/http-gateway.ts'
import { simulatedGateway } from '../../internal/payments/simulated-gateway.ts'
import type { Logger } from '../../internal/telemetry/logger.ts'
import type { Metrics } from '../../internal/telemetry/metrics.ts'
import type { Config } from '../config/config.ts'

const STATE = { closed: 0, half_open: 1, open: 2 } as const

/** The payment gateway of the settings, or the simulated one, behind its circuit breaker. */
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
