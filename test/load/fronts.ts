/*
 * npm run test:fronts: real reverse proxies in front of the service and of the sidecar, as their manuals begin and with the
 * settings of docs/proxies.md. Exit code 1 if the latter do not do what that page says.
 *
 *   npm run test:fronts -- --list           what is there, and what is missing
 *   npm run test:fronts -- --only HAProxy   those whose name has one of these words
 *   npm run test:fronts -- --install        first installs what is missing (root on Debian)
 *   npm run test:fronts -- --write          writes the tables of docs/proxies.md
 */
import { parseArgs } from 'node:util'
import { CHOICE, chosen, versionOf } from '../backends/availability.ts'
import { CHECKS, checkFront, type FrontReport } from '../fronts/checks.ts'
import { FRONTS } from '../fronts/fronts.ts'
import { recommendedFor } from '../fronts/running-front.ts'
import { faultsOf, type TriedFront, tableOf, writeTable } from '../fronts/table.ts'
import { openUpstreams } from '../fronts/upstreams.ts'
import { startRedis } from '../support/servers.ts'

const { values } = parseArgs({
  options: {
    ...CHOICE,
  },
})
const { there, missing } = chosen('proxy', FRONTS, values)

const redis = await startRedis()
const upstreams = await openUpstreams(redis.url)
const tried: TriedFront[] = []
for (const [n, kind] of there.entries()) {
  const plain = await checkFront(kind, kind.plain, upstreams, `127.0.${n}.2`)
  const recommended = await checkFront(kind, recommendedFor(kind), upstreams, `127.0.${n}.3`)
  const one = { name: kind.name, version: versionOf(kind.version), plain, recommended }
  const faults = faultsOf(one)
  tried.push(one)
  console.log(`${faults.length === 0 ? 'ok' : 'BROKEN'}: ${one.name} ${one.version}`)
  print('as its manual begins', plain)
  print('recommended', recommended)
  for (const fault of faults) console.error(`  not ok: ${fault}`)
}
await upstreams.close()
await redis.stop()
const broken = tried.filter((one) => faultsOf(one).length > 0).length
if (values.write && broken === 0 && values.only === undefined) writeTable(tried)
else console.log(tableOf(tried))
console.log(`${tried.length} proxies tried, ${missing.length} missing, ${broken} with faults`)
process.exit(broken === 0 ? 0 : 1)

function print(what: string, report: FrontReport): void {
  const odd = CHECKS.filter((check) => report[check] !== 'ok').map((check) => `${check}: ${report[check]}`)
  console.log(`    ${what}: ${odd.length === 0 ? 'ok' : odd.join(' | ')}`)
}
