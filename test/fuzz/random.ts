import { seeded } from '../../src/tools/simulator/seeded.ts'

/** Every random text has it: nothing of what was sent may turn up where only names of ours belong. */
export const MARK = 'fz'

/** Choices that depend on the seed alone. */
export class Random {
  readonly #next: () => number

  constructor(seed: string) {
    this.#next = seeded(seed)
  }

  /** 0 to `below` - 1. */
  int(below: number): number {
    return Math.floor(this.#next() * below)
  }

  chance(share: number): boolean {
    return this.#next() < share
  }

  pick<T>(from: readonly [T, ...T[]]): T {
    return from[this.int(from.length)] ?? from[0]
  }

  /** One of the names, in proportion to their weights. */
  weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
    const entries = Object.entries<number>(weights)
    let left = this.#next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const name in weights) {
      left -= weights[name]
      if (left < 0) return name
    }
    throw new Error('weights must be positive')
  }

  token(): string {
    return `${MARK}${this.int(2 ** 32).toString(16)}${this.int(2 ** 32).toString(16)}`
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.int(256)))
  }
}
