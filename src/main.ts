import { doctor } from './commands/doctor.ts'
import { migrate } from './commands/migrate.ts'
import { serve } from './commands/serve.ts'
import { ConfigError } from './config.ts'
import { VERSION } from './package-root.ts'

interface Command {
  does: string
  /** Exit code, or undefined while it goes on (a server). Throws with a message for the operator. */
  run: (args: string[]) => Promise<number | undefined>
}

const COMMANDS: Record<string, Command | undefined> = {
  serve: { does: 'the order service', run: serve },
  migrate: { does: 'applies sql/ to the database; safe to run from many processes at once', run: migrate },
  doctor: { does: 'checks connections, versions, settings and clocks; exit code 1 on a fault', run: doctor },
}

const HELP = `oncekey ${VERSION}: every request with an idempotency key takes effect once, whatever fails.

Usage: oncekey COMMAND [OPTIONS]

${Object.entries(COMMANDS)
  .map(([name, command]) => `  ${name.padEnd(10)}${command?.does}`)
  .join('\n')}

Every command has --help. Settings are environment variables; "oncekey serve --print-config" shows them.
`

const [name, ...args] = process.argv.slice(2)
const command = name === undefined ? undefined : COMMANDS[name]
if (command !== undefined) {
  try {
    const code = await command.run(args)
    if (code !== undefined) process.exit(code)
  } catch (error) {
    // What an operator can mend is said plainly; a stack helps only with what we did not foresee.
    const foreseen = error instanceof ConfigError || (error instanceof Error && error.constructor === Error)
    process.stderr.write(
      `oncekey ${name}: ${foreseen ? error.message : String((error as Error).stack ?? error)}\n`,
    )
    process.exit(1)
  }
} else if (name === '--help' || name === '-h' || name === 'help') {
  process.stdout.write(HELP)
} else if (name === '--version') {
  process.stdout.write(`${VERSION}\n`)
} else {
  process.stderr.write(name === undefined ? HELP : `oncekey: there is no command ${name}\n\n${HELP}`)
  process.exit(2)
}
