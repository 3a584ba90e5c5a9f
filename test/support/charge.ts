import type { Charge } from '../../internal/payments/gateway.ts'

export const CHARGE: Charge = {
  key: 'a'.repeat(64),
  amount: '1',
  currency: 'EUR',
  description: undefined,
  paymentMethod: 'pm_test_4242',
  metadata: undefined,
}
