// Loaded into a node before it: its wall clock is off by what the file in CHAOS_CLOCK says, in milliseconds. The
// monotonic clock goes on as it is, as on a machine whose clock is set. The shift in force is told in <file>.seen.
import { readFileSync, writeFileSync } from 'node:fs'

const POLL_MS = 100

const file = process.env.CHAOS_CLOCK
if (file !== undefined) {
  const RealDate = Date
  let shiftMs = 0
  const look = () => {
    const asked = Number(readFileSync(file, 'utf8'))
    if (asked === shiftMs) return
    shiftMs = asked
    writeFileSync(`${file}.seen`, String(asked))
  }
  globalThis.Date = class ShiftedDate extends RealDate {
    constructor(...args) {
      if (args.length === 0) super(RealDate.now() + shiftMs)
      else super(...args)
    }
    static now() {
      return RealDate.now() + shiftMs
    }
  }
  look()
  setInterval(look, POLL_MS).unref()
}
