/** What a driver, or `fetch`, said underneath: the cause where there is one. */
function underlyingCause(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? error.cause : error
}

/** The same in words. The messages of the drivers name host and port, never the password. */
export function describeCause(error: unknown): string {
  const cause = underlyingCause(error)
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}
