import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs'

const PIECE_BYTES = 1_048_576

/** The whole lines from there on, a piece at a time. */
export function readLines(file: string, from: number): { text: string; to: number } {
  if (!existsSync(file)) return { text: '', to: from }
  const descriptor = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(Math.min(PIECE_BYTES, Math.max(0, fstatSync(descriptor).size - from)))
    const read = readSync(descriptor, bytes, 0, bytes.length, from)
    const end = bytes.subarray(0, read).lastIndexOf(10) + 1
    return { text: bytes.toString('utf8', 0, end), to: from + end }
  } finally {
    closeSync(descriptor)
  }
}

/** A file that may be large, as pieces of whole lines, and what comes after the last of them. */
export function* piecesOf(file: string): Generator<string> {
  for (let from = 0; ; ) {
    const { text, to } = readLines(file, from)
    if (to === from) {
      const rest = readFileSync(file).toString('utf8', from)
      if (rest !== '') yield rest
      return
    }
    yield text
    from = to
  }
}
