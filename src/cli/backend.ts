import { parseArgs } from 'node:util'
import { startDemoBackend } from '../tools/demo-backend/demo-backend.ts'
import { untilStopped } from './until-stopped.ts'

export const HELP = `Usage: oncekey backend [OPTIONS]

A backend to try "oncekey proxy" with. It does everything as often as it is told, and prints one line for each call:
what a retry does without the sidecar in front, and that with it a retry does not come this far.

  --port PORT    where to listen (8081; 0 takes a free one)
  --host HOST    (127.0.0.1)
  --ledger FILE  appends a JSON line for each run to FILE, before it gets a response
  --help         this

Each call counts for its Idempotency-Key before a byte of the response is sent:

  /                  {"path","method","key","run","at"}; so does every path that is not listed here
  /slow?ms=45000     the same after a while
  /fail?status=500   a failure, after the effect
  /cut               half of the response, then the connection is gone
  /big?bytes=N       N bytes (10485760)
  /sse?events=5&ms=1000   server-sent events
  /redirect          302 to /

These only tell:

  GET /_count?key=KEY   how often a key was run; without a key, all of them
  GET /_outcome/KEY     for --lookup of "oncekey proxy": the response of a key's first run, its status in the header
                        Idempotency-Status; 404 if it never ran, 409 while that is not known

  oncekey backend &
  oncekey proxy --target http://127.0.0.1:8081 --lookup 'http://127.0.0.1:8081/_outcome/{key}'
`

const OPTIONS = { port: { type: 'string' }, host: { type: 'string' }, ledger: { type: 'string' } } as const

/** Runs until SIGTERM or SIGINT. */
export async function backend(args: string[]): Promise<number> {
  const { port = '8081', host = '127.0.0.1', ledger } = parseArgs({ args, options: OPTIONS }).values
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535)
    throw new Error(`--port ${port}: must be from 0 to 65535`)
  const stopped = untilStopped()
  const running = await startDemoBackend({
    host,
    port: Number(port),
    now: Date.now,
    ledgerFile: ledger,
    onLine: (line) => process.stdout.write(`${line}\n`),
  })
  process.stderr.write(`oncekey backend is ready on http://${host}:${running.port} (Ctrl-C stops it)\n`)
  await stopped
  await running.close()
  return 0
}
