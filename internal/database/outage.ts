/** The SQLSTATE or the code of a system error; '' if there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** SQLSTATE classes 22 and 23: what the data of a row can cause. The statement has changed nothing. */
export function isRowFault(error: unknown): boolean {
  return /^(22|23)...$/.test(codeOf(error))
}

/** There was no connection to send it on, PostgreSQL refused the connection or the statement, or it rolled that back. */
const NOTHING_HAPPENED =
  /^(57P03|53300|25006|40001|40P01|28...|3D000|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ENOENT|EACCES|CONNECT_TIMEOUT)$/
/** Connection lost or terminated, shutdown, no resources, a primary that became a replica: these pass. */
const OUTAGE =
  /^(08...|53...|57...|40...|25006|CONNECTION_.*|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNABORTED)$/

export function isOutage(error: unknown): boolean {
  return nothingHappened(error) || OUTAGE.test(codeOf(error))
}

export function nothingHappened(error: unknown): boolean {
  return NOTHING_HAPPENED.test(codeOf(error))
}

/** With one of several hosts: that it is gone or ends, cannot be reached, or takes no writes any more. */
export function losesHost(code: string): boolean {
  return /^(08...|57P..|25006|CONNECTION_.*|E[A-Z_]+)$/.test(code)
}
