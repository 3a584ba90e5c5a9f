import { BlockList, isIP } from 'node:net'

/*
 * Addresses to which no webhook is sent: this machine, private networks, multicast. From the special-purpose registries of
 * IANA; IPv6 outside of 2000::/3 is never public.
 */
const NOT_PUBLIC = new BlockList()
for (const [network, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, 'ipv4')
}
// Within 2000::/3: addresses with an IPv4 address in them (Teredo, 6to4), documentation, ORCHID and benchmarks.
for (const [network, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  NOT_PUBLIC.addSubnet(network, bits, 'ipv6')
}
const GLOBAL_IPV6 = new BlockList()
GLOBAL_IPV6.addSubnet('2000::', 3, 'ipv6')

/** Whether a text is a public IP address. */
export function isPublicAddress(address: string): boolean {
  // An address with a zone, such as fe80::1%eth0, is local.
  const version = address.includes('%') ? 0 : isIP(address)
  if (version === 4) return !NOT_PUBLIC.check(address, 'ipv4')
  // IPv4-mapped addresses are not within 2000::/3.
  return version === 6 && GLOBAL_IPV6.check(address, 'ipv6') && !NOT_PUBLIC.check(address, 'ipv6')
}
