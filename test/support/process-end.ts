for (const [name, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.once(name, () => process.exit(code))
}

/** For what must not outlive the process. Called as it ends, by a signal too, when nothing can be awaited any more. */
export function atProcessEnd(clean: () => void): void {
  process.on('exit', clean)
}
