export interface Terminal {
  isTTY?: boolean
  columns?: number
  write(text: string): unknown
}

const LIVE_EVERY_MS = 100
/** In a log. */
const LOG_EVERY_MS = 5_000

/** Shows a text until stop(): in one line of a terminal that is updated, else in a new line every few seconds. */
export function liveLine(terminal: Terminal, textOf: () => string): { clear(): void; stop(): void } {
  const live = terminal.isTTY === true
  const clear = () => {
    if (live) terminal.write('\r\u001b[K')
  }
  const draw = () => {
    const text = textOf()
    terminal.write(live ? `\r${text.slice(0, (terminal.columns ?? 80) - 1)}\u001b[K` : `${text}\n`)
  }
  const timer = setInterval(draw, live ? LIVE_EVERY_MS : LOG_EVERY_MS)
  let stopped = false
  return {
    clear,
    stop() {
      if (stopped) return
      stopped = true
      clearInterval(timer)
      clear()
    },
  }
}
