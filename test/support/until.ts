import { setTimeout as sleep } from 'node:timers/promises'

/** Much longer than anything here takes: only a defect, or a machine that stands still, is waited for this long. */
const PATIENCE_MS = 30_000
const POLL_MS = 5

/**
 * Resolves when `holds` does. Rejects, with what was waited for, when it never does. A shorter patience is for what must
 * come before something else would make it hold, such as the end of a lease.
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const deadlineMs = performance.now() + patienceMs
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${patienceMs} ms in vain for: ${what}`)
    await sleep(POLL_MS)
  }
}
