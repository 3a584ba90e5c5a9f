/** The operator and the reason of a change, for the entry in the audit trail that is written with the change. */
export interface ChangeNote {
  /** A random id, the same for a change that is sent again because its response was lost. */
  id: string
  /** The name of an operator. */
  by: string
  reason: string | undefined
}

/** The JSON of the entry. */
export function changeEntry(
  { id, by, reason }: ChangeNote,
  about: Readonly<Record<string, string | number | undefined>>,
): string {
  return JSON.stringify({ id, operator: by, reason, ...about })
}
