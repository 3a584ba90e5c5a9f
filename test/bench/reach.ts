import type { Measured } from './measure.ts'
import { ratioTo } from './ratio.ts'

/** Something that the figures must show. */
export interface Reach {
  what: string
  value: number
  /** In words, as `>= 0.75`. */
  wanted: string
  reached: boolean
}

const SERVERS = ['redis+postgres', 'postgres']
const PEERS = ['koa-peer', 'express-peer', 'hono-peer']
const FLOOR = 'koa-sync'

/** What can be said about these figures; nothing about what was not measured. */
export function reaches(measured: readonly Measured[]): Reach[] {
  const at = (path: string, contestant: string) =>
    measured.find((one) => one.path === path && one.contestant === contestant)
  const found: Reach[] = []

  function atLeast(wanted: number, path: string, one: string, other: string): void {
    const [a, b] = [at(path, one), at(path, other)]
    if (a === undefined || b === undefined) return
    const value = ratioTo(b, a)
    found.push({
      what: `${path}: ${one} / ${other}`,
      value,
      wanted: `>= ${wanted}`,
      reached: value >= wanted,
    })
  }

  function p99Below(wantedMs: number, path: string, one: string): void {
    const value = at(path, one)?.p99Ms
    if (value === undefined) return
    found.push({
      what: `${path}: p99 of ${one}, ms`,
      value,
      wanted: `< ${wantedMs}`,
      reached: value < wantedMs,
    })
  }

  function bestPeer(path: string): string | undefined {
    const rate = (name: string) => at(path, name)?.rate ?? -1
    return PEERS.filter((name) => at(path, name) !== undefined).sort((a, b) => rate(b) - rate(a))[0]
  }

  for (const one of SERVERS) {
    for (const path of ['replay-one', 'replay-many']) {
      atLeast(0.75, path, one, FLOOR)
      const peer = bestPeer(path)
      if (peer !== undefined) atLeast(2.5, path, one, peer)
    }
    atLeast(0.4, 'fresh', one, FLOOR)
    const peer = bestPeer('fresh')
    if (peer !== undefined) atLeast(2.4, 'fresh', one, peer)
    for (const path of ['401', '429']) atLeast(0.7, path, one, FLOOR)
    for (const path of ['replay-one', 'replay-many', 'fresh']) p99Below(20, path, one)
    p99Below(10, 'fresh-70', one)
  }
  atLeast(0.25, 'fresh', 'embedded', 'postgres')
  // Where the stores need a core as well, as on `workers`, two cores have none free.
  atLeast(1.3, 'workers-401', 'workers-auto', 'workers-1')
  atLeast(0.9, 'sidecar', 'sidecar', 'undici')
  atLeast(1, 'sidecar', 'sidecar', 'http-proxy')
  return found
}
