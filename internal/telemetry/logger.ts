import { type DestinationStream, destination, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

export interface LoggerOptions {
  level: string
  /** undefined: standard output. */
  file: string | undefined
}

/** Lines wait at most this long, or until there are 4 KiB of them: a write for each line costs more than the line. */
const FLUSH_MS = 250

/**
 * JSON lines: `{"level","time","service","msg",…}`. Errors are reduced to what is known to be harmless: the errors
 * of drivers carry whole commands, with values and passwords in them.
 */
export function createLogger(options: LoggerOptions): Logger & { flushSync: () => void } {
  const stream = destination({ dest: options.file ?? 1, sync: false, minLength: 4096, mkdir: true })
  setInterval(() => stream.flush(), FLUSH_MS).unref()
  const logger = createPino(options.level, stream)
  return Object.assign(logger, { flushSync: () => stream.flushSync() })
}

function createPino(level: string, stream: DestinationStream): Logger {
  return pino(
    {
      level,
      base: { service: 'oncekey', pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: harmless },
    },
    stream,
  )
}

interface HarmlessError {
  type: string
  message: string
  code?: string
  stack?: string
  cause?: HarmlessError
}

export function harmless(error: unknown): HarmlessError {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) }
  return {
    type: error.name,
    message: error.message,
    ...('code' in error ? { code: String(error.code) } : {}),
    ...(error.stack === undefined ? {} : { stack: error.stack }),
    ...(error.cause === undefined ? {} : { cause: harmless(error.cause) }),
  }
}
