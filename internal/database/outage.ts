/** The SQLSTATE, or the code of a system error; '' without one. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** SQLSTATE classes 22 and 23: errors that the data of a row can cause. The statement has changed nothing. */
export function isRowFault(error: unknown): boolean {
  return /^(22|23)...$/.test(codeOf(error))
}

/**
 * The statement had no effect: there was no connection, or PostgreSQL refused the connection or the statement, or rolled it
 * back. This includes faults that an operator must fix, because the same statement succeeds afterwards: no rights (42501),
 * no table or function (42P01, 42883: another search_path), limits such as transaction ids (54000), a lock_timeout (55P03)
 * or transaction_timeout (25P04) of the role. A certificate that cannot be verified, or a key that cannot be opened, ends
 * the connection before anything is sent.
 */
const NOTHING_HAPPENED =
  /^(57P03|53300|25006|25P04|40001|40P01|42501|42P01|42883|54000|55P03|28...|3D000|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ENOENT|EACCES|CONNECT_TIMEOUT|ERR_TLS_.*|ERR_OSSL_.*|CERT_.*|UNABLE_TO_.*|(SELF|DEPTH_ZERO_SELF)_SIGNED_CERT.*)$/
/** Temporary errors: connection lost or terminated, shutdown, no resources, a primary that became a replica. */
const OUTAGE =
  /^(08...|53...|57...|40...|25006|CONNECTION_.*|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNABORTED|OPEN_TRANSACTION|ERR_SSL_.*)$/

/** The message of a Citus coordinator whose server was killed; it has only the generic code XX000. */
const CITUS_ENDS = 'postmaster was shut down, exiting'

export function isOutage(error: unknown): boolean {
  if (nothingHappened(error) || OUTAGE.test(codeOf(error))) return true
  return codeOf(error) === 'XX000' && error instanceof Error && error.message === CITUS_ENDS
}

export function nothingHappened(error: unknown): boolean {
  return NOTHING_HAPPENED.test(codeOf(error))
}

/** Whether the error means that this host is lost: it ends, cannot be reached, or accepts no writes any more. */
export function losesHost(code: string): boolean {
  return /^(08...|57P..|25006|CONNECTION_.*|E[A-Z_]+)$/.test(code)
}
