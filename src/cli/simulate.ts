import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { errorMessage } from '../../internal/core/error-message.ts'
import { describeCause } from '../runtime/underlying-cause.ts'
import { check } from '../tools/simulator/check.ts'
import { showProgress } from '../tools/simulator/progress.ts'
import { readSettings, type Settings } from '../tools/simulator/settings.ts'
import { newRun, sendAll } from '../tools/simulator/simulation.ts'
import { summarize, summaryText } from '../tools/simulator/summary.ts'
import { timelineSvg } from '../tools/simulator/timeline.ts'

export const HELP = `Usage: oncekey simulate [OPTIONS]

Clients A, B, C ... place orders, or pay, at a running service at the same time. On purpose, responses are lost and
requests are sent twice; the clients retry with backoff, as the SDK does. At the end every key is sent once more, and the
orders or payments are read: exit code 1 if a key has two of them, or a response to it differed, or that could not be
found out.

  --url URL           the service (http://127.0.0.1:8080)
  --api NAME          orders, pay (POST /pay) or payments (POST /api/v1/payments) (orders)
  --client ID         the client id that signs for all of them (default)
  --secret SECRET     its secret; better in the environment, as ONCEKEY_SECRET (that of demo mode)
  --clients N         clients at work at the same time, 1 to 200 (3)
  --requests N        requests of each client, one after the other (2)
  --duplicates RATE   share of the requests that are sent twice at once, 0 to 1 (0.2)
  --failure RATE      share of the attempts whose response is lost on purpose, 0 to 0.9 (0.3)
  --duration TIME     no new requests after this time, up to 1h (2m); requests in flight, and the check, may take longer
  --rate N            new requests a second, of all clients together (as fast as they get a response)
  --seed TEXT         the same seed sends the same keys, orders and losses (a new one, which is printed)
  --plot FILE.svg     draws a timeline: attempts by outcome, the gaps of the backoff between them
  --json              the summary as JSON on standard output
  --help              this

The defaults fit demo mode, which admits 10 requests in 60 s: past that, the clients wait as the service asks (a minute
or two). For bigger runs start the service without limits:

  RATE_LIMITS=none npm start
  oncekey simulate --clients 20 --requests 50 --plot timeline.svg
`

const OPTIONS = {
  json: { type: 'boolean' },
  url: { type: 'string' },
  api: { type: 'string' },
  client: { type: 'string' },
  secret: { type: 'string' },
  clients: { type: 'string' },
  requests: { type: 'string' },
  duplicates: { type: 'string' },
  failure: { type: 'string' },
  duration: { type: 'string' },
  rate: { type: 'string' },
  seed: { type: 'string' },
  plot: { type: 'string' },
} as const

/** For the first response of the service. */
const REACH_MS = 5_000

export async function simulate(args: string[]): Promise<number> {
  const given = parseArgs({ args, options: OPTIONS }).values
  const settings = readSettings(given, () => randomBytes(4).toString('hex'))
  await reach(settings)
  // Before the run, to report a wrong file at once.
  if (settings.plot !== undefined) writePlot(settings.plot, '')
  const run = newRun(settings)
  process.stderr.write(`${startText(settings)}\n`)
  const progress = showProgress(run, process.stderr)
  try {
    await sendAll(run)
    const summary = summarize(run, await check(run))
    progress.stop()
    process.stdout.write(
      settings.json ? `${JSON.stringify(summary, null, 2)}\n` : `\n${summaryText(summary)}`,
    )
    return summary.ok ? 0 : 1
  } finally {
    progress.stop()
    if (settings.plot !== undefined) {
      writePlot(settings.plot, timelineSvg(run.calls, settings.seed))
      process.stderr.write(`the timeline is in ${settings.plot}\n`)
    }
  }
}

function writePlot(file: string, text: string): void {
  try {
    writeFileSync(file, text)
  } catch (error) {
    throw new Error(`--plot ${file}: ${errorMessage(error)}`)
  }
}

/** Any response will do. */
async function reach({ url }: Settings): Promise<void> {
  try {
    const response = await fetch(new URL('livez', url), { signal: AbortSignal.timeout(REACH_MS) })
    await response.body?.cancel()
  } catch (error) {
    const reason = describeCause(error)
    throw new Error(`--url ${url}: there is no service (${reason}); start one with: npm start`)
  }
}

function startText({ clients, requests, duplicates, failure, url, seed }: Settings): string {
  const percent = (share: number) => `${Math.round(share * 1_000) / 10} %`
  return (
    `${clients} ${clients === 1 ? 'client' : 'clients'} with ${requests} ${requests === 1 ? 'request' : 'requests'} each at ${url}; ` +
    `${percent(failure)} of the responses are lost on purpose, ${percent(duplicates)} of the requests are sent twice (--seed ${seed})`
  )
}
