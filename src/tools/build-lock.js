import { readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const HEARTBEAT_MS = 1_000
/** Ten missed heartbeats: the owner was killed. Counted on the waiter's own clock, never compared with file times. */
const ABANDONED_MS = 10_000
const POLL_MS = 100

/**
 * Waits until no other process holds `file`, then holds it until the returned function is called or this
 * process exits. It saves double work and keeps two installations apart; a holder that slept past its
 * heartbeats can lose it, so what it guards must still end in one atomic step.
 */
export async function takeLock(file) {
  let heartbeat
  let since = Date.now()
  let told = false
  while (!create(file)) {
    const seen = statSync(file, { throwIfNoEntry: false })?.mtimeMs
    if (seen !== heartbeat) {
      heartbeat = seen
      since = Date.now()
    } else if (Date.now() - since > ABANDONED_MS) {
      rmSync(file, { force: true })
    }
    if (!told) console.error('oncekey: another process installs or builds here, waiting for it')
    told = true
    await sleep(POLL_MS * (0.5 + Math.random()))
  }
  const beat = setInterval(() => touch(file), HEARTBEAT_MS)
  const release = () => {
    clearInterval(beat)
    process.off('exit', release)
    if (holder(file) === process.pid) rmSync(file, { force: true })
  }
  process.on('exit', release)
  return release
}

function create(file) {
  try {
    writeFileSync(file, `${process.pid}\n`, { flag: 'wx' })
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function touch(file) {
  try {
    utimesSync(file, new Date(), new Date())
  } catch {
    // Taken away from a process that slept: release() leaves the new holder's file alone.
  }
}

function holder(file) {
  try {
    return Number(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}
