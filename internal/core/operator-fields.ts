import { z } from 'zod'

/* Schemas of operator, reason and client of a change on the console; printable, as everywhere in the audit trail. */

export const operatorName = z
  .string()
  .regex(/^[\p{L}\p{N} ._@-]{1,60}$/u, 'must be 1 to 60 letters, digits, . _ @ -')

export const operatorReason = z
  .string()
  .regex(/^[^\p{Cc}\p{Cs}]{1,500}$/u, 'must be 1 to 500 characters, no control characters')

export const clientName = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 . _ -')
