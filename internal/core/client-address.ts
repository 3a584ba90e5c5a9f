import { isIP } from 'node:net'
import type { MiddlewareContext } from './request-state.ts'

/**
 * The address that limits of scope `ip` count, normalised: an IPv4 address, or the /64 of an IPv6 address, which belongs to
 * one subscriber. It is the address that the last trusted proxy reports (TRUST_PROXY), or that of the peer.
 */
export function clientAddress(ctx: MiddlewareContext): string {
  return parseAddress(ctx.ip) ?? parseAddress(ctx.req.socket.remoteAddress ?? '') ?? ''
}

const BRACKETED = /^\[([^\]]*)\](?::\d{1,5})?$/
const IPV4_PORT = /^([\d.]+):\d{1,5}$/

/**
 * `203.0.113.7`, `203.0.113.7:50001` (Azure's gateway), `[2001:db8::1]:443`, `2001:DB8::1`, `::ffff:203.0.113.7` and
 * `fe80::1%eth0`, normalised: `203.0.113.7`, `2001:db8:0:0::/64`. Undefined if the text is not an address.
 */
export function parseAddress(text: string): string | undefined {
  const bare = BRACKETED.exec(text)?.[1] ?? IPV4_PORT.exec(text)?.[1] ?? text
  const address = bare.replace(/%.*$/, '')
  if (isIP(address) === 4) return address
  if (isIP(address) !== 6) return undefined
  const groups = groupsOf(address)
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups
  if ([a, b, c, d, e].every((group) => group === 0) && f === 0xffff) {
    return `${g >> 8}.${g & 255}.${h >> 8}.${h & 255}`
  }
  return `${[a, b, c, d].map((group) => group.toString(16)).join(':')}::/64`
}

/** The eight numbers of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address)
  const [, w = '0', x = '0', y = '0', z = '0'] = dotted ?? []
  const tail = `${pair(w, x)}:${pair(y, z)}`
  const text = dotted === null ? address : address.slice(0, dotted.index) + tail
  const [head = '', rest] = text.split('::')
  const left = numbers(head)
  const right = numbers(rest ?? '')
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right]
}

function pair(high: string, low: string): string {
  return (Number(high) * 256 + Number(low)).toString(16)
}

function numbers(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}
