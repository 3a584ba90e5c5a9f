import { isIP } from 'node:net'

/** For trying it out on one machine: some routes are then open to every process that can connect. */
export function isDemo({ production, host }: { production: boolean; host: string }): boolean {
  return !production && isLoopback(host)
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
