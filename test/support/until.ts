import { setTimeout as sleep } from 'node:timers/promises'

/** Much longer than anything here takes: only a defect, or a machine that stands still, is waited for this long. */
const PATIENCE_MS = 30_000
const POLL_MS = 5

/** Resolves when `holds` does. Rejects, with what was waited for, when it never does. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`waited ${PATIENCE_MS} ms in vain for: ${what}`)
    await sleep(POLL_MS)
  }
}
