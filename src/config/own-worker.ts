const NAME = 'ONCEKEY_WORKER'

/** The environment of a worker that our primary starts. */
export const OWN_WORKER: Record<string, string> = { [NAME]: 'yes' }

/** False in a worker of the cluster of another program, which gets no message from it. */
export function isOwnWorker(env: NodeJS.ProcessEnv = process.env): boolean {
  return env[NAME] !== undefined
}
