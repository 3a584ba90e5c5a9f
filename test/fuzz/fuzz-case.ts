/** An effect that a request may have, since it was signed for. */
export interface Intent {
  client: string
  /** undefined: the signature does not cover it (v0). */
  key: string | undefined
  body: string
}

/** What goes over one connection. */
export interface FuzzCase {
  /** `seed:number`; the same one makes the same case again, but for the time in its signatures. */
  id: string
  kind: string
  /** Changed after it was made. */
  mutated: boolean
  bytes: Buffer
  /** Where the writes end. */
  splits: number[]
  /** How many responses are waited for. */
  requests: number
  /** It is a HEAD: its response has no body, whatever it declares. */
  head: boolean
  /** Whole requests, not changed afterwards: each must get a response, without the sender doing anything more. */
  whole: boolean
  /** No known client sent it: it must be refused. */
  unauthorized: boolean
  intents: Intent[]
}

/** One request, before it is put into bytes. */
export type Part = Pick<FuzzCase, 'kind' | 'bytes' | 'head' | 'whole' | 'unauthorized' | 'intents'>
