import { parseJson } from '../../internal/core/parse-json.ts'
import { repeatedMember } from '../../internal/signature/repeated-member.ts'

/** A line of an external file. Throws a plain Error with the broken rule. */
export function parseJsonLine(text: string): unknown {
  const value = parseJson(text)
  if (value === undefined)
    throw new Error(text.startsWith('\uFEFF') ? 'begins with a byte order mark' : 'is not JSON')
  const repeated = repeatedMember(text)
  if (repeated !== undefined) throw new Error(`${repeated} appears twice`)
  return value
}
