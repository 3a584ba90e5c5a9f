/** For commands that sign: a secret belongs in the environment or in a file rather than on a command line. */
export function secretFromEnv(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env[name] || undefined
}
