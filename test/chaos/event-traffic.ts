import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { idOf } from './event-evidence.ts'
import { EventReaders } from './event-readers.ts'
import type { EventRows } from './event-records.ts'
import { needed } from './fault-context.ts'
import type { Installation } from './installation.ts'
import { openDeliveries, readEventRows } from './read-events.ts'

/** For all that is to be sent and read when all is well again: more than all pauses of a delivery together. */
const SETTLES_MS = 120_000
const LOOK_MS = 500

/** What runs of events have beside the load: endpoints with their receivers, and readers. */
export class EventTraffic {
  readonly #installation: Installation
  readonly #readers: EventReaders
  readonly #directory: string

  private constructor(installation: Installation, readers: EventReaders, directory: string) {
    this.#installation = installation
    this.#readers = readers
    this.#directory = directory
  }

  /** Endpoints first: every event of the run is for them. undefined in other modes. */
  static async start(installation: Installation, directory: string): Promise<EventTraffic | undefined> {
    const { plan, receivers, nodes } = installation
    if (receivers === undefined) return undefined
    const urls = nodes.map(({ service }) => service.url)
    await receivers.register(urls)
    const readers = new EventReaders(plan, urls, directory)
    readers.start()
    return new EventTraffic(installation, readers, directory)
  }

  /** Waits until all was sent and read, or patience is over: what is missing then is for check-events.ts to say. */
  async settle(): Promise<void> {
    const { url } = needed(this.#installation.postgres, 'PostgreSQL')
    const untilMs = performance.now() + SETTLES_MS
    const isSettled = async () => {
      if ((await openDeliveries(url)) !== 0) return false
      const { events } = await readEventRows(url)
      return this.#readers.areAt((client, type) => lastId(events, client, type))
    }
    while (!(await isSettled()) && performance.now() < untilMs) await sleep(LOOK_MS)
    await this.#readers.stop()
  }

  /** When the nodes have stopped: what there is, for the checker. */
  async write(): Promise<void> {
    const { postgres, receivers } = this.#installation
    const rows = await readEventRows(needed(postgres, 'PostgreSQL').url)
    writeFileSync(join(this.#directory, 'events.json'), `${JSON.stringify(rows)}\n`)
    await needed(receivers, 'receivers').finish()
  }
}

function lastId(events: EventRows['events'], client: string, type: string | undefined): string {
  const last = events.findLast((one) => one.client === client && (type === undefined || one.type === type))
  return last === undefined ? '' : idOf(last)
}
