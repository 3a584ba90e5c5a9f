import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { FaultProxy, type FaultStats } from '../tools/faults/fault-proxy.ts'
import type { Struck } from '../tools/faults/faults.ts'
import { readFaults } from '../tools/faults/read-faults.ts'
import { untilStopped } from './until-stopped.ts'

export const HELP = `Usage: oncekey faults --listen [HOST:]PORT --target [HOST:]PORT [FAULTS] [WHICH]

A TCP proxy that does to connections what networks do, to see what becomes of a request. "up" is from the client to the
target, "down" is back. One line for each fault that strikes, and the sums at the end (Ctrl-C).

Faults of a connection (bytes count in each direction by itself):
  --latency TIME        each direction takes this much longer (200ms)
  --jitter TIME         and up to this much more, at random
  --limit-rate BYTES    a second, in each direction
  --cut-after BYTES     so many bytes pass; the next one ends both connections
  --cut-direction D     of up, down or both (both)
  --reset               ... by RST instead of in order; without --cut-after at the first byte
  --blackhole D         up, down or both: bytes are swallowed while the connection stays open
  --half-close D        up or down: this direction ends, the other goes on
  --after BYTES         that pass before --blackhole or --half-close (0)
  --refuse              the connection is reset as soon as it is made

Which connections (all):
  --every N             each Nth
  --probability P       each with this probability, 0 to 1
  --seed TEXT           the same seed chooses the same connections (a new one, which is printed)

  --help                this

Every second response is lost after the backend has done its work:
  oncekey faults --listen 8090 --target 127.0.0.1:8081 --cut-after 0 --cut-direction down --every 2
A backend that takes the request and is never heard of again:
  oncekey faults --listen 8090 --target 127.0.0.1:8081 --blackhole down
A slow line that breaks now and then:
  oncekey faults --listen 8090 --target 127.0.0.1:8081 --latency 200ms --jitter 100ms \\
    --cut-after 400 --reset --probability 0.1 --seed monday
`

const OPTIONS = {
  listen: { type: 'string' },
  target: { type: 'string' },
  latency: { type: 'string' },
  jitter: { type: 'string' },
  'limit-rate': { type: 'string' },
  'cut-after': { type: 'string' },
  'cut-direction': { type: 'string' },
  reset: { type: 'boolean' },
  blackhole: { type: 'string' },
  'half-close': { type: 'string' },
  after: { type: 'string' },
  refuse: { type: 'boolean' },
  every: { type: 'string' },
  probability: { type: 'string' },
  seed: { type: 'string' },
} as const

/** Runs until SIGTERM or SIGINT. */
export async function faults(args: string[]): Promise<number> {
  const given = parseArgs({ args, options: OPTIONS }).values
  const settings = readFaults(given, () => randomBytes(4).toString('hex'))
  const { listen, target, seed } = settings
  if (Object.keys(settings.faults).length === 0)
    process.stderr.write('oncekey faults: no fault is chosen, so that everything passes; see --help\n')
  const stopped = untilStopped()
  const proxy = new FaultProxy({
    ...listen,
    target,
    seed,
    onStruck: (struck) => process.stdout.write(`${struckText(struck)}\n`),
  })
  proxy.set(settings.plan)
  await proxy.start()
  const chosen = given.probability === undefined ? '' : ` (--seed ${seed})`
  const host = listen.host.includes(':') ? `[${listen.host}]` : listen.host
  process.stderr.write(
    `oncekey faults is ready on http://${host}:${proxy.port} for ${target.host}:${target.port}${chosen}\n`,
  )
  await stopped
  process.stdout.write(statsText(proxy.stats()))
  await proxy.close()
  return 0
}

function struckText({ connection, kind, direction, bytes }: Struck): string {
  const where = direction === undefined ? '' : ` ${direction}, after ${bytes} bytes`
  return `connection ${connection}: ${kind}${where}`
}

function statsText({ connections, targetErrors, passed, swallowed, struck }: FaultStats): string {
  const kinds = Object.entries(struck).filter(([, count]) => count > 0)
  const faults = kinds.length === 0 ? 'none' : kinds.map(([kind, count]) => `${kind} ${count}`).join(', ')
  return (
    `${connections} connections, ${targetErrors} not taken by the target; faults: ${faults}\n` +
    `bytes passed: ${passed.up} up, ${passed.down} down; swallowed: ${swallowed.up} up, ${swallowed.down} down\n`
  )
}
