/** For commands that sign: a secret on a command line is visible to others. */
export function secretFromEnv(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  return env[name] || undefined
}
