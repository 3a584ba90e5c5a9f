/**
 * The outcome of a request. `completed`: its response is stored and replayed. `not_executed`: it had no effect and will have
 * none, so its key is free. Unknown: it may have had an effect, so it must not run again; the reason is shown to
 * operators.
 */
export type RequestOutcome<Reason extends string = string> =
  | 'completed'
  | 'not_executed'
  | { unknown: Reason }
