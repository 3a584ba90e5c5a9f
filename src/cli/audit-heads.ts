import { readFileSync } from 'node:fs'
import type { Head } from '../../internal/audit/chain.ts'
import type { NotedHeads } from '../../internal/audit/verify-chains.ts'
import { describeCause } from '../runtime/underlying-cause.ts'

const HEAD = /^(?:([A-Za-z0-9._-]{1,64}):)?([1-9]\d{0,14}):([0-9a-f]{64})$/

/** `[ID:]SEQ:HASH` of --head and the lines of --heads, by client; only those of `client`, if it is given. */
export function parseNoted(
  given: readonly string[],
  file: string | undefined,
  client: string | undefined,
): NotedHeads {
  const noted = new Map<string, Head[]>()
  const take = (text: string, from: string) => {
    const [, name = client, seq, hash = ''] = HEAD.exec(lowerHash(text)) ?? []
    if (seq === undefined) throw new Error(`${from}: must be ID:SEQ:HASH, as "oncekey audit heads" prints it`)
    if (name === undefined) throw new Error(`${from}: says no client; use ID:SEQ:HASH, or --client`)
    if (client !== undefined && name !== client) return
    noted.set(name, [...(noted.get(name) ?? []), { seq: Number(seq), hash }])
  }
  for (const text of given) take(text, `--head ${text}`)
  const lines = linesOf(file).map((line) => line.trim())
  if (file !== undefined && lines.every((line) => line === ''))
    throw new Error(`--heads ${file}: there are no heads in it, so that nothing would be compared`)
  for (const [i, line] of lines.entries()) {
    if (line !== '') take(line, `--heads ${file}, line ${i + 1}`)
  }
  if (file !== undefined && client !== undefined && !noted.has(client)) {
    throw new Error(
      `--heads ${file}: there is no head of client ${client} in it, so that nothing would be compared`,
    )
  }
  return noted
}

/** Client names differ by case, hex digits do not. */
function lowerHash(text: string): string {
  const at = text.lastIndexOf(':') + 1
  return text.slice(0, at) + text.slice(at).toLowerCase()
}

function linesOf(file: string | undefined): string[] {
  if (file === undefined) return []
  try {
    return readFileSync(file, 'utf8').split('\n')
  } catch (error) {
    throw new Error(`--heads ${file}: ${describeCause(error)}`)
  }
}
