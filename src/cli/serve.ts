import { parseArgs } from 'node:util'
import type { Logger } from '../../internal/telemetry/logger.ts'
import { readSettings } from '../config/config.ts'
import { printConfig, settingsHelp } from '../config/describe-settings.ts'
import { runService } from '../runtime/run-service.ts'
import { banner } from '../service/banner.ts'

export const HELP = `Usage: oncekey serve [--print-config]

Serves orders and payments on HOST:PORT (default http://127.0.0.1:8080).

  --print-config         shows the settings in force, secrets masked, and exits
  --help                 this

Settings are environment variables; durations are like 500ms, 30s, 10m, 24h; the default is in brackets:
${settingsHelp('serve')}`

/** Runs until SIGTERM or SIGINT, then finishes the requests in flight and exits with 0. A second signal exits at once. */
export async function serve(args: string[]): Promise<number | undefined> {
  const { values } = parseArgs({ args, options: { 'print-config': { type: 'boolean' } } })
  const { values: config, given } = readSettings('serve')
  if (values['print-config'] === true) {
    process.stdout.write(printConfig({ values: config, given }))
    return 0
  }
  const hasPrivateConsole = config.operatorToken !== undefined && config.metricsPort !== undefined
  const openConsole = async (logger: Logger) =>
    (await import('../service/private-console.ts')).openPrivateConsole(config, logger)
  await runService(
    { ...config, openConsole: hasPrivateConsole ? openConsole : undefined },
    // Not loaded in the primary of several workers.
    async (progress, place) => (await import('../service/service.ts')).openService(config, progress, place),
    (port) => banner(config, port),
  )
  return undefined
}
