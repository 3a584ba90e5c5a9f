import type { FuzzCase } from './fuzz-case.ts'
import type { Places } from './left-behind.ts'
import type { Grammar } from './make-case.ts'
import type { Sent } from './send-case.ts'

/** What is fuzzed, with all that it stands on. */
export interface World {
  readonly name: string
  readonly port: number
  readonly grammar: Grammar
  readonly places: Places
  /** What is wrong with what came back; undefined: nothing. */
  judge(sent: Sent, one: FuzzCase): string | undefined
  /** Remembers what a case may have brought about; before it is sent. */
  expect(one: FuzzCase): void
  /** Counts what came back. */
  note(sent: Sent, one: FuzzCase): void
  /** Faults that have shown since the last look; cheap. */
  look(): string[]
  /** Once nothing is in flight any more: what must hold of all that was sent. */
  check(): Promise<string[]>
  /** Figures for the report, one a line. */
  figures(): Promise<string[]>
  close(): Promise<void>
}

export type Store = 'redis' | 'postgres'
