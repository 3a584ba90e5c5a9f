import { repeatedMember } from '../../internal/signature/repeated-member.ts'

/** A line of an external file. Throws a plain Error with the broken rule. */
export function parseJsonLine(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Error(text.startsWith('\uFEFF') ? 'begins with a byte order mark' : 'is not JSON')
  }
  const repeated = repeatedMember(text)
  if (repeated !== undefined) throw new Error(`${repeated} appears twice`)
  return value
}
