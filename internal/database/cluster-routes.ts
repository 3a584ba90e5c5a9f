import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, Redis } from 'ioredis'
import { keySlot } from './key-slot.ts'

/** While a slot moves there are one or two redirections; there are more only while nodes disagree about a failover. */
const MAX_REDIRECTIONS = 8
/** The wait after TRYAGAIN, while the keys of a command move to another node. */
const TRY_AGAIN_MS = 10
/** With less time before the deadline there is no further try, because its outcome could be unknown. */
const LAST_TRY_MS = 3 * TRY_AGAIN_MS
/** The minimum time between two refreshes of the slots. */
const REFRESH_EVERY_MS = 50

/** There is no connection to the master of a slot; nothing was sent. */
export class NoNodeError extends Error {
  constructor(slot: number) {
    super(`the cluster has no master for slot ${slot} now`)
    this.name = 'NoNodeError'
  }
}

/**
 * TRYAGAIN for a command with several calls. While a slot moves, its nodes refuse a command with several keys unless all
 * of them are on that node. A command with one key is accepted by the new node.
 */
export class SplitSlotError extends Error {
  constructor(cause: unknown) {
    super('the keys of the command are moving to another node', { cause })
    this.name = 'SplitSlotError'
  }
}

/**
 * Sends each command to the master of its slot, and follows redirections. The routing of ioredis is not used: it puts
 * commands of many slots into one pipeline, returns MOVED and ASK of a single one of them to the caller, and repeats
 * commands that were in flight when a connection was lost.
 */
export class ClusterRoutes {
  readonly #cluster: Cluster
  readonly #nodes = new Map<string, Redis>()
  readonly #deadlineMs: number
  #refreshedMs = Number.NEGATIVE_INFINITY

  constructor(cluster: Cluster, deadlineMs: number) {
    this.#cluster = cluster
    this.#deadlineMs = deadlineMs
    cluster.on('+node', (node: Redis) => {
      this.#nodes.set(addressOf(node), node)
      if (cluster.status === 'ready') connectNode(node)
    })
    // Not earlier: at the start ioredis replaces the configured nodes by those that the cluster reports.
    cluster.on('ready', () => this.#nodes.forEach(connectNode))
    cluster.on('-node', (node: Redis) => {
      if (this.#nodes.get(addressOf(node)) === node) this.#nodes.delete(addressOf(node))
      this.#refresh()
    })
  }

  /**
   * Calls `command`, and within the deadline calls it again only after a node responded that it did not run it. `calls`:
   * the number of calls in the command. Rejects with SplitSlotError if each call should be sent as its own command.
   */
  async run<T>(key: string, calls: number, command: (node: Redis) => Promise<T>): Promise<T> {
    const slot = keySlot(key)
    const untilMs = performance.now() + this.#deadlineMs
    let askNode: Redis | undefined
    for (let redirections = 0; ; ) {
      const node = askNode ?? this.#masterOf(slot)
      try {
        // ASKING and the command are sent in one tick, so that no other command comes between them.
        if (askNode !== undefined) void node.asking().catch(() => {})
        return await command(node)
      } catch (error) {
        if (performance.now() + LAST_TRY_MS >= untilMs) throw error
        if (isTryAgain(error)) {
          if (calls > 1) throw new SplitSlotError(error)
          // TRYAGAIN ends when the slot has moved, so it does not count as a redirection.
          redirections = 0
        } else if (redirections++ === MAX_REDIRECTIONS) throw error
        askNode = await this.#follow(error, slot)
      }
    }
  }

  /** Every master with slots, as the cluster reports; rejects if there is no connection to one of them. */
  async masters(): Promise<Redis[]> {
    await new Promise<void>((resolve, reject) => {
      this.#cluster.refreshSlotsCache((error) => (error ? reject(error) : resolve()))
    })
    const masters = new Set<Redis>()
    for (let slot = 0; slot < this.#cluster.slots.length; slot++) masters.add(this.#masterOf(slot))
    return [...masters]
  }

  #masterOf(slot: number): Redis {
    const node = this.#nodes.get(this.#cluster.slots[slot]?.[0] ?? '')
    if (node !== undefined && node.status !== 'end') return node
    this.#refresh()
    throw new NoNodeError(slot)
  }

  /** The node for the next try after an ASK; undefined: the current master of the slot. */
  async #follow(error: unknown, slot: number): Promise<Redis | undefined> {
    const [code, , address = ''] = error instanceof Error ? error.message.split(' ') : []
    switch (code) {
      case 'MOVED':
        if (this.#nodes.has(address)) {
          this.#cluster.slots[slot] = [address]
          this.#refresh()
        } else {
          await this.#refreshed()
        }
        return undefined
      case 'ASK':
        if (!this.#nodes.has(address)) await this.#refreshed()
        return this.#nodes.get(address)
      case 'TRYAGAIN':
        await sleep(TRY_AGAIN_MS)
        return undefined
      default:
        // An error of the script itself says nothing about the cluster.
        if (code === 'CLUSTERDOWN' || !(error instanceof Error) || error.name !== 'ReplyError')
          this.#refresh()
        throw error
    }
  }

  #refresh(): void {
    // Monotonic: with a wall clock that is set back there would be no refresh for that time.
    const nowMs = performance.now()
    if (nowMs - this.#refreshedMs < REFRESH_EVERY_MS) return
    this.#refreshedMs = nowMs
    this.#cluster.refreshSlotsCache()
  }

  async #refreshed(): Promise<void> {
    await new Promise<void>((resolve) => this.#cluster.refreshSlotsCache(() => resolve()))
    await sleep(TRY_AGAIN_MS)
  }
}

/** Also connects to replicas, so that a promoted one can be used at once. */
function connectNode(node: Redis): void {
  if (node.status === 'wait') node.connect().catch(() => {})
}

function isTryAgain(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('TRYAGAIN')
}

function addressOf({ options }: Redis): string {
  return `${options.host}:${options.port}`
}
