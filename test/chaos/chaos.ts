/*
 * npm run chaos: the promise, held to what partners saw while everything was broken on a schedule. See docs/faults.md and
 * npm run chaos -- --help.
 */

import { errorMessage } from '../../internal/core/error-message.ts'
import { FAULT_KINDS } from './fault-kinds.ts'
import { longRuns } from './long-runs.ts'
import { notPossible } from './means.ts'
import { HELP, readOptions } from './options.ts'
import { checkAgain, matrix, oneRun } from './runs.ts'
import { sabotageRuns } from './sabotage-runs.ts'
import { SABOTAGES } from './sabotages.ts'

async function main(): Promise<number> {
  let options: ReturnType<typeof readOptions>
  try {
    options = readOptions(process.argv.slice(2))
  } catch (error) {
    console.error(errorMessage(error))
    return 2
  }
  if (options.help) {
    process.stdout.write(
      `${HELP}\nFaults: ${FAULT_KINDS.join(', ')}\n\nBugs: ${Object.keys(SABOTAGES).join(', ')}\n`,
    )
    return 0
  }
  const impossible = notPossible(options.otherVersion)
  const missing = (options.faults ?? []).filter((kind) => impossible.has(kind))
  if (missing.length > 0) {
    for (const kind of missing) console.error(`--faults ${kind}: ${impossible.get(kind)}`)
    return 2
  }
  if (options.check === undefined && options.faults === undefined) {
    for (const [kind, reason] of impossible) console.log(`without ${kind}: ${reason}`)
  }
  if (options.check !== undefined) return await checkAgain(options.check, options.report)
  if (options.sabotage !== undefined) return await sabotageRuns(options, options.sabotage)
  if (options.total !== undefined) return await longRuns(options, options.total)
  if (options.matrix) return await matrix(options)
  return await oneRun(options)
}

process.exit(await main())
