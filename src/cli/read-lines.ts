import { isUtf8 } from 'node:buffer'
import { createReadStream } from 'node:fs'

export interface NumberedLine {
  /** 1 for the first. */
  number: number
  text: string
}

const LF = 0x0a

/** The lines of a file that are not empty. Throws a plain Error that names a line which is not UTF-8. */
export async function* readLines(file: string): AsyncGenerator<NumberedLine> {
  let number = 0
  let rest: Buffer[] = []
  const line = (bytes: Buffer): NumberedLine => {
    number++
    // Read as text, such bytes would become others.
    if (!isUtf8(bytes)) throw new Error(`${file}, line ${number}: is not UTF-8`)
    return { number, text: bytes.toString().trim() }
  }
  for await (const chunk of createReadStream(file)) {
    let bytes: Buffer = chunk
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF)) {
      const read = line(Buffer.concat([...rest, bytes.subarray(0, end)]))
      rest = []
      bytes = bytes.subarray(end + 1)
      if (read.text !== '') yield read
    }
    if (bytes.length > 0) rest.push(bytes)
  }
  const last = line(Buffer.concat(rest))
  if (last.text !== '') yield last
}
