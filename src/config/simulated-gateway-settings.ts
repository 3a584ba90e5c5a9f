import { errorMessage } from '../../internal/core/error-message.ts'
import { duration } from './setting-values.ts'

/** SIMULATED_GATEWAY, as internal/payments takes it. No import of it here: the sidecar has these settings too. */
export interface SimulatedGatewaySettings {
  delayMs: number
  declineRate: number
  failureRate: number
  seed: number
}

/** As a gateway nearby, without failures. */
export const SIMULATED_DEFAULTS: SimulatedGatewaySettings = {
  delayMs: 50,
  declineRate: 0,
  failureRate: 0,
  seed: 1,
}

/** A charge takes no longer than GATEWAY_TIMEOUT may be. */
const MAX_DELAY_MS = 120_000

/** Parses SIMULATED_GATEWAY: `on`, or `delay=50ms,decline=0.05,failure=0,seed=1`, each optional. Throws an Error that says the rule. */
export function parseSimulatedGateway(text: string): SimulatedGatewaySettings {
  const settings = { ...SIMULATED_DEFAULTS }
  if (text === 'on') return settings
  const seen = new Set<string>()
  for (const part of text.split(',')) {
    const [, name = '', value = ''] = /^([a-z]+)=([0-9a-z.]+)$/.exec(part) ?? []
    if (seen.has(name)) throw new Error(`${name} appears twice`)
    seen.add(name)
    if (name === 'delay') settings.delayMs = delay(value)
    else if (name === 'decline') settings.declineRate = rate(value)
    else if (name === 'failure') settings.failureRate = rate(value)
    else if (name === 'seed' && /^\d{1,9}$/.test(value)) settings.seed = Number(value)
    else throw new Error('must be on, or a list like delay=50ms,decline=0.05,failure=0,seed=1')
  }
  return settings
}

/** The same settings as text, as they are printed. */
export function simulatedGatewayText(settings: SimulatedGatewaySettings): string {
  const { delayMs, declineRate, failureRate, seed } = settings
  return `delay=${delayMs}ms,decline=${declineRate},failure=${failureRate},seed=${seed}`
}

function delay(text: string): number {
  try {
    return duration(0, MAX_DELAY_MS)(text)
  } catch (error) {
    throw new Error(`delay ${errorMessage(error)}`)
  }
}

function rate(text: string): number {
  const number = /^(?:0|1|[01]?\.\d{1,9})$/.test(text) ? Number(text) : Number.NaN
  if (!(number >= 0 && number <= 1)) throw new Error('decline and failure must be numbers from 0 to 1')
  return number
}
