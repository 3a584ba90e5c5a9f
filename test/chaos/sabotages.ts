import { EVENT_SABOTAGES } from './event-sabotages.ts'
import { NEWEST_SABOTAGES } from './newest-sabotages.ts'
import { ORDER_SABOTAGES } from './order-sabotages.ts'
import { PAYMENT_SABOTAGES } from './payment-sabotages.ts'
import { PROXY_SABOTAGES } from './proxy-sabotages.ts'
import type { Sabotage } from './sabotage.ts'

/** By name. */
export const SABOTAGES: Readonly<Record<string, Sabotage>> = {
  ...ORDER_SABOTAGES,
  ...PAYMENT_SABOTAGES,
  ...PROXY_SABOTAGES,
  ...NEWEST_SABOTAGES,
  ...EVENT_SABOTAGES,
}
