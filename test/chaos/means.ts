import { whyNoFakeClock } from './fake-clock.ts'
import { FAULT_KINDS, type FaultKind, infoOf } from './fault-kinds.ts'
import { whyNoSmallDisk } from './small-disk.ts'

/** What a fault needs beside the programs of Redis and PostgreSQL. */
export type Means = 'libfaketime' | 'small disk' | 'other version'

/** The kinds that this machine, or this run, cannot make, each with the reason. */
export function notPossible(otherVersion: string | undefined): Map<FaultKind, string> {
  const reasons: Record<Means, string | undefined> = {
    libfaketime: whyNoFakeClock(),
    'small disk': whyNoSmallDisk(),
    'other version': otherVersion === undefined ? 'it needs --other-version DIR' : undefined,
  }
  const found = new Map<FaultKind, string>()
  for (const kind of FAULT_KINDS) {
    const { needs } = infoOf(kind)
    const reason = needs === undefined ? undefined : reasons[needs]
    if (reason !== undefined) found.set(kind, reason)
  }
  return found
}
