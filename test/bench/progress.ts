/** On standard error: a line that changes in a terminal, else a line for each path. */
export function showProgress(
  path: string,
  rounds: number,
): { round: (done: number) => void; end: () => void } {
  const { isTTY } = process.stderr
  const startedMs = performance.now()
  if (isTTY) process.stderr.write(`${path}: warming up`)
  return {
    round(done) {
      if (isTTY) process.stderr.write(`\r\x1b[K${path}: round ${done + 1} of ${rounds}`)
    },
    end() {
      const seconds = ((performance.now() - startedMs) / 1_000).toFixed(0)
      process.stderr.write(`${isTTY ? '\r\x1b[K' : ''}${path}: ${seconds} s\n`)
    },
  }
}
