import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import type { ChangeNote } from '../../internal/core/change-note.ts'
import { type Options, textOf } from './run-verb.ts'

/** The values of --by and --reason. */
export interface OperatorNote {
  by: string
  reason: string | undefined
}

/** Throws a plain Error for invalid values. Without --by it is the name of the user. */
export function operatorNote(by: string | undefined, reason: string | undefined): OperatorNote {
  return {
    by: checked('by', by ?? userName()),
    reason: reason === undefined ? undefined : checked('reason', reason),
  }
}

export function changeNote(options: Options): ChangeNote {
  const { by, reason } = operatorNote(textOf(options, 'by'), textOf(options, 'reason'))
  return { id: randomUUID(), by, reason }
}

const NOTE = /^[^\p{Cc}\p{Cs}]{1,500}$/u

function checked(option: string, text: string): string {
  if (NOTE.test(text)) return text
  throw new Error(`--${option}: must be 1 to 500 characters, no control characters`)
}

function userName(): string {
  try {
    return userInfo().username
  } catch {
    throw new Error('--by NAME is needed: this user has no name')
  }
}
