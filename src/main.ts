import { VERSION } from './package-root.ts'
import { operatorMessage } from './runtime/operator-message.ts'
import { endWithOutput, outliveStandardError } from './runtime/watch-output.ts'

interface Command {
  does: string
  /** Each is loaded when it is asked for: sign takes 0.08 s so, and 0.33 s with all of them. */
  load: () => Promise<[help: string, run: Run]>
}

/** Resolves with the exit code, or undefined while it goes on (a server). Throws with a message for the operator. */
type Run = (args: string[]) => Promise<number | undefined>

const COMMANDS: Record<string, Command | undefined> = {
  serve: {
    does: 'the order and payment service',
    load: () => import('./cli/serve.ts').then(({ HELP, serve }) => [HELP, serve]),
  },
  proxy: {
    does: 'the sidecar in front of any backend',
    load: () => import('./cli/proxy.ts').then(({ HELP, proxy }) => [HELP, proxy]),
  },
  sign: {
    does: 'signs a request: prints the headers, or with --curl a ready curl command',
    load: () => import('./cli/sign.ts').then(({ HELP, sign }) => [HELP, sign]),
  },
  verify: {
    does: 'explains why a signature does not match',
    load: () => import('./cli/verify.ts').then(({ HELP, verify }) => [HELP, verify]),
  },
  simulate: {
    does: 'simulated clients with retries against a running service',
    load: () => import('./cli/simulate.ts').then(({ HELP, simulate }) => [HELP, simulate]),
  },
  migrate: {
    does: 'applies sql/ to the database; safe to run from many processes at once',
    load: () => import('./cli/migrate.ts').then(({ HELP, migrate }) => [HELP, migrate]),
  },
  clients: {
    does: 'partners and their secrets: add, list, rotate, revoke, limit, reseal',
    load: () => import('./cli/clients.ts').then(({ HELP, clients }) => [HELP, clients]),
  },
  listen: {
    does: 'shows your own events as they happen, and forwards them to a program on this machine',
    load: () => import('./cli/listen.ts').then(({ HELP, listen }) => [HELP, listen]),
  },
  webhooks: {
    does: 'where partners have their events sent: add, list, rotate, disable, replay, remove',
    load: () => import('./cli/webhooks.ts').then(({ HELP, webhooks }) => [HELP, webhooks]),
  },
  keys: {
    does: 'keys and what became of their requests: list, show, resolve, release, import, log',
    load: () => import('./cli/keys.ts').then(({ HELP, keys }) => [HELP, keys]),
  },
  audit: {
    does: 'the audit trail of payments: verify, heads, export',
    load: () => import('./cli/audit.ts').then(({ HELP, audit }) => [HELP, audit]),
  },
  export: {
    does: 'export audit: the same as audit export',
    load: () => import('./cli/audit.ts').then(({ HELP, audit }) => [HELP, exportOf(audit)]),
  },
  backend: {
    does: 'a demo backend that counts how often it was called, to try the sidecar with',
    load: () => import('./cli/backend.ts').then(({ HELP, backend }) => [HELP, backend]),
  },
  faults: {
    does: 'a TCP proxy that delays, cuts, resets and swallows, to try faults with',
    load: () => import('./cli/faults.ts').then(({ HELP, faults }) => [HELP, faults]),
  },
  doctor: {
    does: 'checks connections, versions, settings and clocks; exit code 1 on a fault',
    load: () => import('./cli/doctor.ts').then(({ HELP, doctor }) => [HELP, doctor]),
  },
}

const HELP = `oncekey ${VERSION}: every request with an idempotency key takes effect once, whatever fails.

Usage: oncekey COMMAND [OPTIONS]

${Object.entries(COMMANDS)
  .map(([name, command]) => `  ${name.padEnd(10)}${command?.does}`)
  .join('\n')}

Every command has --help. Settings are environment variables; "oncekey serve --print-config" shows them.
`

function exportOf(audit: Run): Run {
  return async ([what, ...args]) => {
    if (what !== 'audit') throw new Error('say what: oncekey export audit; see oncekey audit --help')
    return await audit(['export', ...args])
  }
}

const isHelp = (arg: string | undefined) => arg === '--help' || arg === '-h'

const [name, ...args] = process.argv.slice(2)
outliveStandardError()
// What serves writes its log there by itself, and goes on without it.
if ((name !== 'serve' && name !== 'proxy') || args.includes('--print-config')) endWithOutput()
const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
if (command !== undefined) {
  try {
    const [help, run] = await command.load()
    if (args.some(isHelp)) {
      process.stdout.write(help)
    } else {
      const code = await run(args)
      if (code !== undefined) {
        // Whether the last of the output could be written is told by then.
        await new Promise(setImmediate)
        process.exit(code)
      }
    }
  } catch (error) {
    process.stderr.write(`oncekey ${name}: ${operatorMessage(error)}\n`)
    process.exit(1)
  }
} else if (isHelp(name) || name === 'help') {
  process.stdout.write(HELP)
} else if (name === '--version') {
  process.stdout.write(`${VERSION}\n`)
} else {
  process.stderr.write(name === undefined ? HELP : `oncekey: there is no command ${name}\n\n${HELP}`)
  process.exit(2)
}
