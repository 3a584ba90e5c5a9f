import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/**
 * Calls `onChange` once for each change of what can be read at `path`: with the content, or with the Error of reading
 * it. It reads and compares, and does not watch inodes or times: that sees atomic renames, swapped symlinks
 * (Kubernetes) and two writes within one tick of the file system's clock. Never keeps the process alive. Returns
 * a function that stops it, after which `onChange` is not called again.
 *
 * @param known the content that the caller has already dealt with
 */
export function watchContent(
  path: string,
  known: Buffer,
  pollMs: number,
  onChange: (content: Buffer | Error) => void,
): () => void {
  let seen = digest(known)
  let reading = false
  let stopped = false
  async function look(): Promise<void> {
    // A file system that hangs must not pile up reads.
    if (reading) return
    reading = true
    const content = await readFile(path).catch(toError)
    reading = false
    const current = content instanceof Error ? content.message : digest(content)
    if (stopped || current === seen) return
    seen = current
    onChange(content)
  }
  const timer = setInterval(() => void look(), pollMs).unref()
  return () => {
    stopped = true
    clearInterval(timer)
  }
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}

/** Kept in place of the content, which holds secrets. */
function digest(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
