import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** The wall clock of a server, which can be stepped while it runs. Its monotonic clock goes on as it is. */
export class FakeClock {
  /** What the server is to be started with. */
  readonly env: Record<string, string>
  readonly #file: string
  #offsetMs = 0

  /** `file`: of this clock alone, in a directory that the user of the server can enter. */
  constructor(file: string, offsetMs = 0) {
    const library = libfaketime()
    if (library === undefined) throw new Error(NO_FAKE_CLOCK)
    this.#file = file
    this.set(offsetMs)
    this.env = {
      // With the allocator of the C library: jemalloc, which Redis has, asks for the time before libfaketime can say it.
      LD_PRELOAD: `${library} libc.so.6`,
      FAKETIME_TIMESTAMP_FILE: file,
      // Seconds: the file is read anew when it is as old as that.
      FAKETIME_CACHE_DURATION: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    }
  }

  get offsetMs(): number {
    return this.#offsetMs
  }

  /** From a second after now on at the latest. */
  set(offsetMs: number): void {
    this.#offsetMs = offsetMs
    const seconds = (offsetMs / 1_000).toFixed(1)
    writeFileSync(this.#file, offsetMs < 0 ? seconds : `+${seconds}`)
  }
}

const NO_FAKE_CLOCK = 'it needs libfaketime: apt-get install faketime'

/** Why clocks of servers cannot be stepped here; undefined: they can. */
export function whyNoFakeClock(): string | undefined {
  return libfaketime() === undefined ? NO_FAKE_CLOCK : undefined
}

/** Debian keeps it in a directory of the architecture. */
function libfaketime(): string | undefined {
  if (process.platform !== 'linux') return undefined
  const roots = ['/usr/lib', '/usr/local/lib', '/lib'].filter((root) => existsSync(root))
  const directories = roots.flatMap((root) => [root, ...readdirSync(root).map((name) => join(root, name))])
  return directories
    .map((directory) => join(directory, 'faketime/libfaketime.so.1'))
    .find((file) => existsSync(file))
}
