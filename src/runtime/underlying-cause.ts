/** The message of the cause, if there is one, else of the error. Messages of drivers name host and port, never a password. */
export function describeCause(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}
