/** A program that a kind of backend needs, and the Debian package that has it. */
export type Need = readonly [program: string, debianPackage: string]

/** Where a backend may write, and where it listens. */
export interface LaunchSite {
  /** Its own; any user may write to it. */
  directory: string
  /** The file in it in which the programs note what they did: see programs/acts.js. */
  ledger: string
  port: number
  /** Another free port, for what is behind the server. */
  behindPort: number
}

export interface Command {
  argv: readonly [string, ...string[]]
  env?: Record<string, string>
  /** It listens on this file and not on a port. */
  socket?: string
}

export interface Launch {
  /** Started in this order; the one that the sidecar talks to is the last. */
  commands: readonly Command[]
  /** Of the target of the sidecar. */
  basePath?: string
}

/** What runs a request where it is not the server itself: a process that can be killed alone. */
export type Inner = 'script' | 'origin'

export interface BackendKind {
  name: string
  needs: readonly Need[]
  /** It needs what is in programs/package.json. */
  npm?: boolean
  /** Prints a text with the version; the first number in it counts. */
  version: readonly [string, ...string[]]
  launch(place: LaunchSite): Launch
  inner?: Inner
  /** It only serves files: it is tried with other cases. */
  isStatic?: boolean
  /** A response without a length ends with its connection. */
  endsWithConnection?: boolean
  /** It closes connections without having said so: the sidecar needs --no-keep-alive. */
  closesUnannounced?: boolean
  /** Cases that it has no means for. */
  lacks?: readonly string[]
}
