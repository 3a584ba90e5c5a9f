/** The exit code of programs that get SIGPIPE: 128 and its number. */
const BROKEN_PIPE = 141

/** Ignores errors of standard error, such as a closed terminal, which would end the process with requests in flight. */
export function outliveStandardError(): void {
  process.stderr.on('error', () => {})
}

/** For commands whose output is their result: they end when it cannot be written. */
export function endWithOutput(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // The reader has ended, as `head` does.
    if (error.code === 'EPIPE') process.exit(BROKEN_PIPE)
    process.stderr.write(`oncekey: the output cannot be written: ${error.message}\n`)
    process.exit(1)
  })
}
