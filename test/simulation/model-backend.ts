export interface BackendRun {
  client: string
  key: string
  body: string
  response: string
  leftMs: number
}

/** What is behind a sidecar: it does whatever reaches it, as often as it does, and can be asked about it. */
export class ModelBackend {
  readonly runs: BackendRun[] = []

  async run(client: string, key: string, body: string, leftMs: number): Promise<BackendRun> {
    const run = { client, key, body, leftMs, response: `{"run":${this.runs.length + 1},"of":${body}}` }
    this.runs.push(run)
    return run
  }

  async find(client: string, key: string): Promise<BackendRun | undefined> {
    return this.runs.find((run) => run.client === client && run.key === key)
  }
}
