import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Charged, PaymentGateway, Unanswered } from './gateway.ts'

interface SimulatedGatewaySettings {
  delayMs: number
  /** 0..1. */
  declineRate: number
  /** 0..1. Of these charges a third each is not sent, is lost before the charge, is lost after it. */
  failureRate: number
  seed: number
}

/** 10 MB or so. */
const REMEMBERED = 100_000

/**
 * A gateway inside this process that charges nothing. It deduplicates by key and declines payment methods that end in
 * `declined`. Its memory is bounded and belongs to this process: others, and it itself after a restart, find no charge.
 */
export function simulatedGateway(
  settings: SimulatedGatewaySettings,
  remembered = REMEMBERED,
): PaymentGateway {
  const { delayMs, declineRate, failureRate, seed } = settings
  const charges = new Map<string, Charged>()
  let drawn = 0
  /** The next random number, 0 to less than 1, by the seed. */
  const draw = () => {
    const digest = createHash('sha256').update(`${seed}\n${drawn++}`).digest()
    return digest.readUInt32BE() / 2 ** 32
  }
  const charged = (key: string, declined: boolean): Charged => {
    const known = charges.get(key)
    if (known !== undefined) return known
    const charge: Charged = {
      outcome: declined ? 'declined' : 'completed',
      chargeId: `ch_${key.slice(0, 24)}`,
    }
    charges.set(key, charge)
    const [oldest] = charges.keys()
    if (charges.size > remembered && oldest !== undefined) charges.delete(oldest)
    return charge
  }

  return {
    async charge({ key, paymentMethod }, { mayLeave }) {
      const failure = draw() < failureRate ? draw() : undefined
      const declined = draw() < declineRate || paymentMethod?.endsWith('declined') === true
      if (failure !== undefined && failure < 1 / 3) return { outcome: 'unsent', cause: simulated('unsent') }
      if (!mayLeave()) return { outcome: 'unsent', cause: new Error('too late to be sent') }
      await sleep(delayMs)
      if (failure === undefined) return charged(key, declined)
      if (failure > 2 / 3) charged(key, declined)
      return lost()
    },
    async find(key) {
      await sleep(delayMs)
      return charges.get(key) ?? { outcome: 'none' }
    },
    close() {},
  }
}

function lost(): Unanswered {
  return { outcome: 'error', cause: simulated('lost') }
}

function simulated(what: string): Error {
  return new Error(`simulated: the request was ${what}`)
}
