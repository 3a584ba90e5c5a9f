import type { Run } from './simulation.ts'

const TTY_EVERY_MS = 100
/** In a log a line now and then is enough. */
const LOG_EVERY_MS = 5_000

export interface Terminal {
  isTTY?: boolean
  columns?: number
  write(text: string): unknown
}

/** Draws where the run stands until stop(): one live line in a terminal, else a line every few seconds. */
export function showProgress(run: Run, terminal: Terminal): { stop: () => void } {
  const live = terminal.isTTY === true
  let limitTold = false
  let stopped = false
  const draw = () => {
    if (!limitTold && run.limitedUntilMs > 0) {
      limitTold = true
      clear()
      terminal.write(limitText(run))
    }
    const line = progressLine(run)
    if (live) terminal.write(`\r${line.slice(0, (terminal.columns ?? 80) - 1)}\u001b[K`)
    else terminal.write(`${line}\n`)
  }
  const clear = () => live && terminal.write('\r\u001b[K')
  const timer = setInterval(draw, live ? TTY_EVERY_MS : LOG_EVERY_MS)
  return {
    stop() {
      if (stopped) return
      stopped = true
      clearInterval(timer)
      clear()
    },
  }
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
