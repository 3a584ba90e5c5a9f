/** What other programs end with whose reader has gone: 128 and the number of SIGPIPE. */
const NOBODY_READS = 141

/**
 * Nobody may read standard error any more, as when a terminal or a program that collects logs has ended, or its disk is full:
 * what runs goes on. Without a listener Node.js ends the process, with the requests in flight.
 */
export function outliveStandardError(): void {
  process.stderr.on('error', () => {})
}

/** For commands whose output is their result: when it cannot be written they end, without a stack. */
export function endWithOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The reader has what it wanted, as `head` does.
    if (error.code === 'EPIPE') process.exit(NOBODY_READS)
    process.stderr.write(`oncekey: the output cannot be written: ${error.message}\n`)
    process.exit(1)
  })
}
