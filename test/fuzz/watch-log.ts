import { closeSync, openSync, readSync } from 'node:fs'
import { z } from 'zod'
import { CANARY } from './parties.ts'

/** A signature, or a fingerprint: neither has a place in a log. */
const HEX = /[0-9a-f]{64}/i
/** Chosen by the client, who may take such digits for it. */
const KEY = /"idempotency_key":"(?:[^"\\]|\\.)*"/
const DEFECT = new Set(['error', 'fatal'])

/** Reads a log as it grows: each line must be one JSON object of ours, without a secret and without a defect. */
export class LogWatch {
  readonly #file: number
  #rest = ''
  lines = 0
  /** By their message. */
  readonly warnings = new Map<string, number>()

  readonly #expected: ReadonlySet<string>

  /** `expected`: codes of failures that are meant to be logged. */
  constructor(path: string, expected: readonly string[] = []) {
    this.#file = openSync(path, 'r')
    this.#expected = new Set(expected)
  }

  /** What is wrong with the lines that have come since. */
  look(): string[] {
    const faults: string[] = []
    const buffer = Buffer.alloc(1_048_576)
    for (let size = readSync(this.#file, buffer); size > 0; size = readSync(this.#file, buffer)) {
      const lines = (this.#rest + buffer.toString('latin1', 0, size)).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) faults.push(...this.#faultsOf(line))
    }
    return faults
  }

  close(): void {
    closeSync(this.#file)
  }

  #faultsOf(line: string): string[] {
    this.lines++
    if (line.includes(CANARY) || HEX.test(line.replace(KEY, ''))) return [`a secret is in the log: ${line}`]
    const entry = entryOf(line)
    if (entry === undefined) return [`a line of the log is no JSON object of ours: ${line}`]
    const { level, msg, code } = entry
    if (level === 'warn') this.warnings.set(msg, (this.warnings.get(msg) ?? 0) + 1)
    return DEFECT.has(level) && !this.#expected.has(code) ? [`a defect is in the log: ${line}`] : []
  }
}

const ENTRY = z.object({
  level: z.string(),
  msg: z.string(),
  err: z.object({ code: z.string().optional() }).optional(),
})

function entryOf(line: string): { level: string; msg: string; code: string } | undefined {
  try {
    const { level, msg, err } = ENTRY.parse(JSON.parse(line))
    return { level, msg, code: err?.code ?? '' }
  } catch {
    return undefined
  }
}
