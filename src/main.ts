import { VERSION } from './package-root.ts'
import { operatorMessage } from './runtime/operator-message.ts'

interface Command {
  does: string
  /** Exit code, or undefined while it goes on (a server). Throws with a message for the operator. */
  run: (args: string[]) => Promise<number | undefined>
}

/** Each is loaded when it is asked for: sign takes 0.08 s so, and 0.33 s with all of them. */
const COMMANDS: Record<string, Command | undefined> = {
  serve: {
    does: 'the order and payment service',
    run: async (args) => (await import('./cli/serve.ts')).serve(args),
  },
  proxy: {
    does: 'the sidecar in front of any backend',
    run: async (args) => (await import('./cli/proxy.ts')).proxy(args),
  },
  sign: {
    does: 'signs a request: prints the headers, or with --curl a ready curl command',
    run: async (args) => (await import('./cli/sign.ts')).sign(args),
  },
  verify: {
    does: 'explains why a signature does not match',
    run: async (args) => (await import('./cli/verify.ts')).verify(args),
  },
  simulate: {
    does: 'simulated clients with retries against a running service',
    run: async (args) => (await import('./cli/simulate.ts')).simulate(args),
  },
  migrate: {
    does: 'applies sql/ to the database; safe to run from many processes at once',
    run: async (args) => (await import('./cli/migrate.ts')).migrate(args),
  },
  clients: {
    does: 'partners and their secrets: add, list, rotate, revoke, limit, reseal',
    run: async (args) => (await import('./cli/clients.ts')).clients(args),
  },
  listen: {
    does: 'shows your own events as they happen, and forwards them to a program on this machine',
    run: async (args) => (await import('./cli/listen.ts')).listen(args),
  },
  webhooks: {
    does: 'where partners have their events sent: add, list, rotate, disable, replay, remove',
    run: async (args) => (await import('./cli/webhooks.ts')).webhooks(args),
  },
  keys: {
    does: 'keys and what became of their requests: list, show, resolve, release, import, log',
    run: async (args) => (await import('./cli/keys.ts')).keys(args),
  },
  audit: {
    does: 'the audit trail of payments: verify, heads, export',
    run: async (args) => (await import('./cli/audit.ts')).audit(args),
  },
  export: {
    does: 'export audit: the same as audit export',
    async run([what = '', ...args]) {
      const isHelp = what === '--help' || what === '-h'
      if (what !== 'audit' && !isHelp)
        throw new Error('say what: oncekey export audit; see oncekey audit --help')
      return await (await import('./cli/audit.ts')).audit(isHelp ? ['--help'] : ['export', ...args])
    },
  },
  backend: {
    does: 'a demo backend that counts how often it was called, to try the sidecar with',
    run: async (args) => (await import('./cli/backend.ts')).backend(args),
  },
  faults: {
    does: 'a TCP proxy that delays, cuts, resets and swallows, to try faults with',
    run: async (args) => (await import('./cli/faults.ts')).faults(args),
  },
  doctor: {
    does: 'checks connections, versions, settings and clocks; exit code 1 on a fault',
    run: async (args) => (await import('./cli/doctor.ts')).doctor(args),
  },
}

const HELP = `oncekey ${VERSION}: every request with an idempotency key takes effect once, whatever fails.

Usage: oncekey COMMAND [OPTIONS]

${Object.entries(COMMANDS)
  .map(([name, command]) => `  ${name.padEnd(10)}${command?.does}`)
  .join('\n')}

Every command has --help. Settings are environment variables; "oncekey serve --print-config" shows them.
`

const [name, ...args] = process.argv.slice(2)
const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
if (command !== undefined) {
  try {
    const code = await command.run(args)
    if (code !== undefined) process.exit(code)
  } catch (error) {
    process.stderr.write(`oncekey ${name}: ${operatorMessage(error)}\n`)
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
