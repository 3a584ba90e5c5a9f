const EVENTS = ['events'] as const

/** Faults that strike events on their way to readers and receivers; see fault-kinds.ts. */
export const EVENT_FAULT_KINDS = {
  'receiver-stall': {
    place: 'receivers',
    what: 'receivers never respond',
    lastsMs: [500, 2_500],
    modes: EVENTS,
  },
  'receiver-reset': {
    place: 'receivers',
    what: 'receivers reset the connection, before or after they have read',
    lastsMs: [500, 2_000],
    modes: EVENTS,
  },
  'receiver-500': { place: 'receivers', what: 'receivers respond 500', lastsMs: [500, 2_000], modes: EVENTS },
  'receiver-gone': {
    place: 'receivers',
    what: 'a receiver responds 410, and its operator replays it later',
    lastsMs: [300, 1_500],
    modes: EVENTS,
  },
  'receiver-redirect': {
    place: 'receivers',
    what: 'receivers redirect to another one',
    lastsMs: [500, 2_000],
    modes: EVENTS,
  },
  'receiver-lies': {
    place: 'receivers',
    what: 'receivers lie about the length of their response',
    lastsMs: [500, 2_000],
    modes: EVENTS,
  },
  'receiver-not-http': {
    place: 'receivers',
    what: 'receivers speak no HTTP',
    lastsMs: [500, 2_000],
    modes: EVENTS,
  },
  'receiver-away': {
    place: 'receivers',
    what: 'receivers take no connections',
    lastsMs: [1_000, 6_000],
    modes: EVENTS,
  },
  'kill-while-sending': {
    place: 'node',
    what: 'kill -9 of a node while receivers have its webhooks and have not responded',
    lastsMs: [100, 400],
    modes: EVENTS,
  },
  'kill-after-sending': {
    place: 'node',
    what: 'kill -9 of a node after receivers responded 200, before that is recorded',
    lastsMs: [100, 400],
    modes: EVENTS,
  },
  'commit-late': {
    place: 'late commits',
    what: 'an order is committed, or rolled back, long after it was written',
    lastsMs: [500, 3_000],
    modes: EVENTS,
  },
  'secret-rotated': {
    place: 'partners',
    what: 'the secret of an endpoint is rotated',
    lastsMs: [0, 0],
    modes: EVENTS,
  },
  'payment-unknown': {
    place: 'far side',
    what: 'the gateway does not respond, and payments become unknown before they are settled',
    lastsMs: [1_500, 2_500],
    modes: EVENTS,
  },
} as const
