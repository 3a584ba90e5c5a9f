import type { Command, Need } from '../backends/backend-kind.ts'

/** A proxy in front of the service or the sidecar. Settings have it listen on port 8000, with the service on 8080. */
export interface FrontKind {
  name: string
  needs: readonly Need[]
  version: readonly [string, ...string[]]
  /** The least that makes it a proxy, as its manual begins. What we recommend is in docs/proxies.md, under its name. */
  plain: string
  /** Runs it with these settings, in which the ports are in place. It may write to the directory. */
  launch(settings: string, at: { directory: string; port: number; target: number }): Command
}
