/*
 * npm run chaos: the promise, held to what partners saw while everything was broken on a schedule. See docs/faults.md and
 * npm run chaos -- --help.
 */
import { FAULT_KINDS } from './fault-kinds.ts'
import { HELP, readOptions } from './options.ts'
import { checkAgain, matrix, oneRun } from './runs.ts'
import { sabotageRuns } from './sabotage-runs.ts'
import { SABOTAGES } from './sabotages.ts'

async function main(): Promise<number> {
  let options: ReturnType<typeof readOptions>
  try {
    options = readOptions(process.argv.slice(2))
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    return 2
  }
  if (options.help) {
    process.stdout.write(
      `${HELP}\nFaults: ${FAULT_KINDS.join(', ')}\n\nBugs: ${Object.keys(SABOTAGES).join(', ')}\n`,
    )
    return 0
  }
  if (options.check !== undefined) return await checkAgain(options.check, options.report)
  if (options.sabotage !== undefined) return await sabotageRuns(options, options.sabotage)
  if (options.matrix) return await matrix(options)
  return await oneRun(options)
}

process.exit(await main())
