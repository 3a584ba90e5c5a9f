import { isIP } from 'node:net'
import type { ApiKey } from '../../internal/signature/api-keys.ts'

export const DEMO_SECRET = 'super-secret-key'
export const DEMO_API_KEY: ApiKey = { user: 'test-user', key: 'test-api-key' }
/** Of the console; in force on loopback only. */
export const DEMO_OPERATOR_TOKEN = 'operator'

interface DemoCredential {
  setting: 'HMAC_SECRET' | 'API_KEYS'
  what: 'secret' | 'API key'
  value: string
}

/** The credentials in force that are public. */
export function demoCredentials(config: {
  hmacSecret: string | undefined
  apiKeys: readonly ApiKey[]
}): DemoCredential[] {
  const found: DemoCredential[] = []
  if (config.hmacSecret === DEMO_SECRET)
    found.push({ setting: 'HMAC_SECRET', what: 'secret', value: DEMO_SECRET })
  if (config.apiKeys.some(({ key }) => key === DEMO_API_KEY.key))
    found.push({ setting: 'API_KEYS', what: 'API key', value: DEMO_API_KEY.key })
  return found
}

/** For trials on one machine: some routes are open to every process that can connect. */
export function isDemo({ production, host }: { production: boolean; host: string }): boolean {
  return !production && isLoopback(host)
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
