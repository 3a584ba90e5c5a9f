import { liveLine, type Terminal } from '../live-line.ts'
import type { Run } from './simulation.ts'

/** Shows the progress until stop(), and once that a rate limit is used up. */
export function showProgress(run: Run, terminal: Terminal): { stop: () => void } {
  let limitTold = false
  const line = liveLine(terminal, () => {
    if (!limitTold && run.limitedUntilMs > 0) {
      limitTold = true
      line.clear()
      terminal.write(limitText(run))
    }
    return progressLine(run)
  })
  return line
}

function progressLine(run: Run): string {
  const { settings, calls, ledger, phase } = run
  const attempts = calls.flatMap((call) => call.attempts)
  const lost = attempts.filter(({ outcome }) => outcome === 'lost').length
  const waitMs = run.limitedUntilMs - run.now()
  return [
    `${Math.round(run.now() / 1_000)} s`,
    phase === 'sending'
      ? `${run.done} of ${settings.clients * settings.requests} requests done`
      : `checking: ${run.checked} of ${ledger.plans.length} keys sent again`,
    `${attempts.length} sent, ${lost} lost`,
    ...(waitMs > 0 ? [`limit used up, waiting ${Math.ceil(waitMs / 1_000)} s`] : []),
    ...(ledger.violations.length > 0 ? [`${ledger.violations.length} BROKEN`] : []),
  ].join(' | ')
}

function limitText(run: Run): string {
  const limit = run.limit === undefined ? '' : ` of ${run.limit.limit} requests`
  return `The rate limit${limit} is used up: the clients wait as the service asks. For bigger runs start it with RATE_LIMITS=none.\n`
}
