/** The SQLSTATE or the code of a system error; '' if there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : ''
}

/** SQLSTATE classes 22 and 23: what the data of a row can cause. The statement has changed nothing. */
export function isRowFault(error: unknown): boolean {
  return /^(22|23)...$/.test(codeOf(error))
}

/**
 * There was no connection to send it on, PostgreSQL refused the connection or the statement, or it rolled that back. What
 * an operator has to mend is among them, since the same statement goes through once it is mended: no rights (42501), no
 * table or function (42P01, 42883: another search_path), no transaction ids or other limits left (54000), a lock_timeout
 * (55P03) or transaction_timeout (25P04) of the role. A certificate that cannot be verified, or a key that cannot be opened,
 * ends a connection before anything is sent.
 */
const NOTHING_HAPPENED =
  /^(57P03|53300|25006|25P04|40001|40P01|42501|42P01|42883|54000|55P03|28...|3D000|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ENOENT|EACCES|CONNECT_TIMEOUT|ERR_TLS_.*|ERR_OSSL_.*|CERT_.*|UNABLE_TO_.*|(SELF|DEPTH_ZERO_SELF)_SIGNED_CERT.*)$/
/** Connection lost or terminated, shutdown, no resources, a primary that became a replica: these pass. */
const OUTAGE =
  /^(08...|53...|57...|40...|25006|CONNECTION_.*|ECONNRESET|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ECONNABORTED|OPEN_TRANSACTION|ERR_SSL_.*)$/

/** A coordinator of Citus whose server was killed says so without a code of its own, and in English only. */
const CITUS_ENDS = 'postmaster was shut down, exiting'

export function isOutage(error: unknown): boolean {
  if (nothingHappened(error) || OUTAGE.test(codeOf(error))) return true
  return codeOf(error) === 'XX000' && error instanceof Error && error.message === CITUS_ENDS
}

export function nothingHappened(error: unknown): boolean {
  return NOTHING_HAPPENED.test(codeOf(error))
}

/** With one of several hosts: that it is gone or ends, cannot be reached, or takes no writes any more. */
export function losesHost(code: string): boolean {
  return /^(08...|57P..|25006|CONNECTION_.*|E[A-Z_]+)$/.test(code)
}
