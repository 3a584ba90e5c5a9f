import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster, Redis } from 'ioredis'
import { keySlot } from './key-slot.ts'

/** A slot that moves responds with MOVED or ASK once or twice; more often only while nodes disagree about a failover. */
const MAX_REDIRECTIONS = 8
/** While the keys of one command are on their way from node to node. */
const TRY_AGAIN_MS = 10
/** What is left of a deadline then is too little for another try, whose outcome would be unknown. */
const LAST_TRY_MS = 3 * TRY_AGAIN_MS
/** A slot has no master: so often is the cluster asked whether it has a new one. */
const REFRESH_EVERY_MS = 50

/** The node whose turn it is cannot be asked: nothing was sent. */
export class NoNodeError extends Error {
  constructor(slot: number) {
    super(`the cluster has no master for slot ${slot} now`)
    this.name = 'NoNodeError'
  }
}

/**
 * TRYAGAIN for a command of several calls. While a slot moves, neither of its nodes takes a command with several names
 * of which some, or none, are there yet; with a single one the node that it moves to does.
 */
export class SplitSlotError extends Error {
  constructor(cause: unknown) {
    super('the names of the command are on their way to another node', { cause })
    this.name = 'SplitSlotError'
  }
}

/**
 * Sends each command to the master of its slot, and after a slot that moves. The driver's own way of doing that puts
 * commands of many slots into one pipeline, gives MOVED and ASK of a single one of them back to the caller, and sends
 * what was in flight when a connection broke again by itself.
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
      if (cluster.status === 'ready') dial(node)
    })
    // Not before: the driver gives up the nodes that it began with while it goes over to those that the cluster names.
    cluster.on('ready', () => this.#nodes.forEach(dial))
    cluster.on('-node', (node: Redis) => {
      if (this.#nodes.get(addressOf(node)) === node) this.#nodes.delete(addressOf(node))
      this.#refresh()
    })
  }

  /**
   * `command` is called once, and again only when a node has said that it did not run it, within the deadline. Rejects
   * with SplitSlotError if it is better run as several commands; `calls`: of how many calls it is made.
   */
  async run<T>(key: string, calls: number, command: (node: Redis) => Promise<T>): Promise<T> {
    const slot = keySlot(key)
    const untilMs = performance.now() + this.#deadlineMs
    let ask: Redis | undefined
    for (let redirections = 0; ; ) {
      const node = ask ?? this.#masterOf(slot)
      try {
        // In one tick, so that nothing comes between them.
        if (ask !== undefined) void node.asking().catch(() => {})
        return await command(node)
      } catch (error) {
        if (performance.now() + LAST_TRY_MS >= untilMs) throw error
        if (isTryAgain(error)) {
          if (calls > 1) throw new SplitSlotError(error)
          // That is over when the slot has moved: nodes that disagree are not the reason.
          redirections = 0
        } else if (redirections++ === MAX_REDIRECTIONS) throw error
        ask = await this.#follow(error, slot)
      }
    }
  }

  /** Every node that has slots, as the cluster says; rejects when one of them cannot be asked. */
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

  /** What to ask next: a node for this once, or undefined for the master as it is known now. */
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
        // What a script itself complains of says nothing about the cluster.
        if (code === 'CLUSTERDOWN' || !(error instanceof Error) || error.name !== 'ReplyError')
          this.#refresh()
        throw error
    }
  }

  #refresh(): void {
    // The wall clock may be set back, and nothing would be refreshed until it is where it was.
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

/** Replicas too: the one that is promoted is asked without waiting for a connection. */
function dial(node: Redis): void {
  if (node.status === 'wait') node.connect().catch(() => {})
}

function isTryAgain(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('TRYAGAIN')
}

function addressOf({ options }: Redis): string {
  return `${options.host}:${options.port}`
}
