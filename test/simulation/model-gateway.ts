import type { Charge, Charged, FindResult } from '../../internal/payments/gateway.ts'

export interface MadeCharge {
  key: string
  amount: string
  outcome: Charged['outcome']
  chargeId: string
  /** When it left the node. */
  leftMs: number
}

/** A gateway that does not look at keys: every charge that reaches it is made. */
export class ModelGateway {
  readonly charges: MadeCharge[] = []

  async charge({ key, amount, paymentMethod }: Charge, leftMs: number): Promise<Charged> {
    const outcome = paymentMethod?.endsWith('declined') === true ? 'declined' : 'completed'
    const chargeId = `ch_${this.charges.length + 1}`
    this.charges.push({ key, amount, outcome, chargeId, leftMs })
    return { outcome, chargeId }
  }

  async find(key: string): Promise<FindResult> {
    const charge = this.charges.find((one) => one.key === key)
    return charge === undefined ? { outcome: 'none' } : { outcome: charge.outcome, chargeId: charge.chargeId }
  }
}
