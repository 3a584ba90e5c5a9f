import { codeOf } from './outage.ts'
import { LACKS_COMMAND, LACKS_RIGHT } from './redis-refusals.ts'

const BY_CODE: Record<string, string | undefined> = {
  '25006': 'accepts no writes',
  '3F000': 'lacks tables or functions',
  '42501': 'refuses a right that an order needs',
  '42704': 'refuses a parameter of the connection',
  '42883': 'lacks tables or functions',
  '42P01': 'lacks tables or functions',
  '53100': 'has no space left on its disk',
  '53300': 'has no connection left',
  '54000': 'has reached one of its limits',
  '55P03': 'holds a lock that an order needs',
  OPEN_TRANSACTION: 'is behind a pooler that does not commit',
  STUCK: 'keeps statements waiting',
}
/** The start of the errors of Redis. */
const BY_WORD: readonly (readonly [RegExp, string])[] = [
  [/^READONLY/, 'accepts no writes: it is a replica'],
  [/^(MOVED|CROSSSLOT|ASK)/, 'is one node of a cluster whose other nodes are not configured'],
  [LACKS_RIGHT, 'refuses a right that an order needs'],
  [LACKS_COMMAND, 'lacks a command that an order needs'],
  [/^(NOAUTH|WRONGPASS)/, 'refuses the password'],
  [/^OOM/, 'has no memory left'],
  [/^(MISCONF|NOREPLICAS)/, 'refuses writes'],
  [/^(LOADING|MASTERDOWN|CLUSTERDOWN)/, 'is not ready yet'],
]

/** Why a store cannot be used, as a predicate that may be public: without addresses, names and texts of a driver. */
export function publicReason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const byCode = BY_CODE[codeOf(cause)]
  if (byCode !== undefined) return byCode
  const text = cause instanceof Error ? cause.message : ''
  return BY_WORD.find(([pattern]) => pattern.test(text))?.[1] ?? 'does not respond'
}
