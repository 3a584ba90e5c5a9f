/** V8 then writes a line for each collection, with the bytes that were allocated since the one before. */
export const TRACE_GARBAGE = '--trace-gc-nvp'

const LINE = /^\[\d+:.* gc=.* allocated=(\d+)/gm

/** Bytes that a process has allocated since the last call, up to its last collection; `text` is all that it has written. */
export function garbageReader(text: () => string): () => number {
  let read = 0
  return () => {
    const all = text()
    // A line that is being written is left for the next call.
    const end = all.lastIndexOf('\n') + 1
    const part = all.slice(read, end)
    read = Math.max(read, end)
    let bytes = 0
    for (const [, allocated] of part.matchAll(LINE)) bytes += Number(allocated)
    return bytes
  }
}
