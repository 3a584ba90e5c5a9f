import type { FuzzCase } from './fuzz-case.ts'

const MAX_TRIES = 150
const MAX_MS = 10_000

/** Takes pieces away, smaller and smaller ones, as long as the rest still shows the fault. */
export async function shrink(
  { bytes }: Pick<FuzzCase, 'bytes'>,
  shows: (bytes: Buffer) => Promise<boolean>,
): Promise<Buffer> {
  let least = bytes
  let tries = 0
  const startedMs = performance.now()
  const goesOn = () => tries < MAX_TRIES && performance.now() - startedMs < MAX_MS
  for (
    let size = Math.ceil(bytes.length / 2);
    size >= 1 && goesOn();
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let at = 0; at < least.length && goesOn(); ) {
      const rest = Buffer.concat([least.subarray(0, at), least.subarray(at + size)])
      tries++
      if (rest.length > 0 && (await shows(rest))) least = rest
      else at += size
    }
  }
  return least
}
