/** In the order of docs/faults.md. */
export const INVARIANTS = {
  1: 'At most one order (payment, charge) for each client and key.',
  2: 'Every acknowledged 2xx has its order, with those values.',
  3: 'Every order traces to a request that was properly signed and sent whole.',
  4: 'All final responses for a key are identical: status, body bytes, replayed headers.',
  5: 'Every 409 has its overlapping or conflicting request.',
  6: 'Nothing reported as failed for certain took effect.',
  7: 'Admissions in any window are within the limit.',
  8: 'Sidecar: the backend saw each key at most once.',
  9: 'Nothing unauthenticated changed state or used quota.',
  10: 'Audit entries and payments match one to one.',
  11: 'Locks clear within lease + 1 s after healing; every request ends within its deadline.',
  12: 'No secret, signature or API key in logs, errors or metrics.',
  13: 'Only responses of the contract: no 500, each 503 with Retry-After, none cut by SIGTERM, no node ends by itself.',
  14: 'Each committed change has exactly one event, with the same bytes wherever it is shown.',
  15: 'A reader of events misses none, and sees each once and in order.',
  16: 'Each event reached each of its endpoints, or is on record as failed.',
  17: 'No webhook is about what was not committed, or came to another place.',
  18: 'The signature of each webhook is by a secret that was in force.',
  19: 'A later event of a payment comes after the earlier one was tried.',
} as const

export type Invariant = keyof typeof INVARIANTS

export interface Violation {
  invariant: Invariant
  what: string
}

export const INVARIANT_NUMBERS: readonly Invariant[] = [
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
]
