import type { FuzzCase, Part } from './fuzz-case.ts'
import { mutate } from './mutate.ts'
import { Random } from './random.ts'

export type Grammar = (random: Random, timestamp: number) => Part

/** The case of this id: one request, some of them on one connection, or what mutations make of them. */
export function makeCase(grammar: Grammar, id: string, timestamp: number): FuzzCase {
  const random = new Random(id)
  const first = grammar(random, timestamp)
  // It is not known where the response to a HEAD ends among others.
  const more = !first.head && random.chance(0.05) ? 1 + random.int(3) : 0
  const rest = Array.from({ length: more }, () => grammar(random, timestamp))
  const parts = [first, ...rest.filter(({ head }) => !head)]
  const count = parts.length
  const plain = Buffer.concat(parts.map(({ bytes }) => bytes))
  // A change can make an ambiguous end a clear one, and what was hidden a request.
  const isFixed = parts.some(({ head, kind }) => head || kind === 'smuggled')
  const mutated = !isFixed && plain.length > 0 && random.chance(0.45)
  const bytes = mutated ? mutate(plain, random) : plain
  return {
    id,
    kind: count === 1 ? first.kind : 'pipelined',
    mutated,
    bytes,
    splits: random.chance(0.2)
      ? Array.from({ length: 1 + random.int(4) }, () => random.int(bytes.length + 1)).sort((a, b) => a - b)
      : [],
    requests: count,
    head: first.head,
    whole: count === 1 && !mutated && first.whole,
    unauthorized: parts.every(({ unauthorized }) => unauthorized),
    intents: parts.flatMap(({ intents }) => intents),
  }
}
