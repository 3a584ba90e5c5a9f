import type { Claim, KeyId, StoredResponse } from '../../internal/idempotency/store.ts'
import type { BeginResult } from '../../internal/payments/payment-store.ts'
import type { Mode } from './node.ts'
import type { NodeDependencies } from './node-dependencies.ts'
import type { Defect } from './world.ts'

interface Planted {
  mode: Mode
  /** Some seed must find it in 'orders in rows' as well. */
  alsoInRows?: boolean
  /** What its violation reads like. */
  says: RegExp
  defect: Defect
}

/** Bugs, each of which some seed must find. */
export const DEFECTS: Record<string, Planted> = {
  'complete without compare-and-set': {
    mode: 'orders',
    says: /one response for two requests/,
    defect: { inside: (parts) => withTokens(parts, 'complete') },
  },
  'release without compare-and-set': {
    mode: 'sidecar',
    says: /backend ran it|differ/,
    defect: { inside: (parts) => withTokens(parts, 'release') },
  },
  'a claim asked again with another token': {
    mode: 'orders',
    says: /without another request|not cleared/,
    defect: { outside: claimsWithNewTokens },
  },
  'keys not scoped by client': {
    mode: 'orders',
    says: /acknowledged|without another request|not there/,
    defect: {
      inside: ({ keys, ...parts }) => ({
        ...parts,
        keys: { ...keys, claim: (id, ...rest) => keys.claim(anyone(id), ...rest), ...anyones(keys) },
      }),
    },
  },
  'an order without its unique key': {
    mode: 'orders',
    alsoInRows: true,
    says: /2 orders|differ/,
    defect: {
      inside: ({ orders, ...parts }) => ({
        ...parts,
        orders: {
          place: (placement) => orders.place({ ...placement, client: `${placement.client} ${n++}` }),
          standing: async () => undefined,
          find: (...args) => orders.find(...args),
          list: (...args) => orders.list(...args),
        },
      }),
    },
  },
  'an order without its fingerprint': {
    mode: 'orders',
    alsoInRows: true,
    says: /one response for two requests/,
    defect: {
      inside: ({ orders, ...parts }) => ({
        ...parts,
        orders: {
          place: (placement) => orders.place({ ...placement, fingerprint: '' }),
          standing: (asked) => orders.standing({ ...asked, fingerprint: '' }),
          find: (...args) => orders.find(...args),
          list: (...args) => orders.list(...args),
        },
      }),
    },
  },
  'an order acknowledged before it is written': {
    mode: 'orders',
    alsoInRows: true,
    says: /acknowledged/,
    defect: {
      outside: ({ orders, ...parts }) => ({
        ...parts,
        orders: {
          async place(placement) {
            orders.place(placement).catch(() => {})
            return { outcome: 'created' }
          },
          standing: (...args) => orders.standing(...args),
          find: (...args) => orders.find(...args),
          list: (...args) => orders.list(...args),
        },
      }),
    },
  },
  'replays that are written anew': {
    mode: 'orders',
    says: /differ/,
    defect: {
      inside: (parts) =>
        withClaims(parts, (claim) =>
          claim.outcome === 'replay' ? { ...claim, response: rewritten(claim.response) } : claim,
        ),
    },
  },
  'a heartbeat that never stops': {
    mode: 'orders',
    says: /not cleared/,
    defect: { outside: renewsForEver },
  },
  'an unknown outcome that frees the key': {
    mode: 'sidecar',
    says: /backend ran it/,
    defect: {
      outside: ({ keys, ...parts }) => ({
        ...parts,
        keys: { ...keys, release: (id, token) => keys.release(id, token, 'not_executed') },
      }),
    },
  },
  'a request sent without a record of it': {
    mode: 'sidecar',
    says: /backend ran it/,
    defect: {
      outside: ({ keys, ...parts }) => ({ ...parts, keys: { ...keys, dispatch: async () => true } }),
    },
  },
  'a lookup that is certain too early': {
    mode: 'sidecar with lookup',
    says: /backend ran it/,
    defect: {
      inside: (parts) =>
        withClaims(parts, (claim) =>
          claim.outcome === 'unknown' ? { ...claim, sinceMs: 1_000_000 } : claim,
        ),
    },
  },
  'a lost charge that is reported as not sent': {
    mode: 'payments',
    says: /charged 2 times|Nothing was charged/,
    defect: {
      outside: (parts) => ({
        ...parts,
        async charge(...args) {
          const result = await parts.charge(...args)
          if (result.outcome !== 'error' && result.outcome !== 'timeout') return result
          return { outcome: 'unsent', cause: result.cause }
        },
      }),
    },
  },
  'a takeover that charges without looking': {
    mode: 'payments',
    says: /charged 2 times/,
    defect: {
      inside: (parts) => withTakeovers(parts, () => ({ outcome: 'begun' })),
    },
  },
  'a takeover that does not wait for the earlier charge': {
    mode: 'payments',
    says: /charged 2 times/,
    defect: {
      inside: (parts) => withTakeovers(parts, (begun) => ({ ...begun, waitMs: 0 })),
    },
  },
  'a completer that gives up at once': {
    mode: 'payments',
    says: /the charge was|settled and never charged/,
    defect: {
      inside: (parts) => ({
        ...parts,
        takeDue: async (take) => (await parts.takeDue(take)).map((due) => ({ ...due, expired: true })),
      }),
    },
  },
}

let n = 0

const anyone = (id: KeyId): KeyId => ({ ...id, client: 'anyone' })

function anyones(keys: NodeDependencies['keys']): Omit<NodeDependencies['keys'], 'claim'> {
  return {
    dispatch: (id, ...rest) => keys.dispatch(anyone(id), ...rest),
    renew: (id, ...rest) => keys.renew(anyone(id), ...rest),
    complete: (id, ...rest) => keys.complete(anyone(id), ...rest),
    release: (id, ...rest) => keys.release(anyone(id), ...rest),
    resolve: (id, ...rest) => keys.resolve(anyone(id), ...rest),
  }
}

/** The verb takes whatever token the key has at the moment. */
function withTokens({ keys, ...parts }: NodeDependencies, verb: 'complete' | 'release'): NodeDependencies {
  const tokens = new Map<string, string>()
  const name = (id: KeyId) => JSON.stringify(id)
  const current = (id: KeyId, token: string) => tokens.get(name(id)) ?? token
  return {
    ...parts,
    keys: {
      ...keys,
      claim: claimThen(keys, (id, token) => void tokens.set(name(id), token)),
      complete: (id, token, response) =>
        keys.complete(id, verb === 'complete' ? current(id, token) : token, response),
      release: (id, token, ...rest) =>
        keys.release(id, verb === 'release' ? current(id, token) : token, ...rest),
    },
  }
}

/** Claims, and calls `acquired` if that has taken the key. */
function claimThen(
  keys: NodeDependencies['keys'],
  acquired: (id: KeyId, token: string, leaseMs: number) => void,
): NodeDependencies['keys']['claim'] {
  return async (id, fingerprint, token, leaseMs) => {
    const claim = await keys.claim(id, fingerprint, token, leaseMs)
    if (claim.outcome === 'acquired') acquired(id, token, leaseMs)
    return claim
  }
}

function claimsWithNewTokens({ keys, ...parts }: NodeDependencies): NodeDependencies {
  const last = new Map<string, string>()
  const real = (token: string) => last.get(token) ?? token
  return {
    ...parts,
    keys: {
      claim(id, fingerprint, token, leaseMs) {
        const fresh = token.slice(0, 24) + (n++).toString(16).padStart(8, '0')
        last.set(token, fresh)
        return keys.claim(id, fingerprint, fresh, leaseMs)
      },
      dispatch: (id, token) => keys.dispatch(id, real(token)),
      renew: (id, token, leaseMs) => keys.renew(id, real(token), leaseMs),
      complete: (id, token, response) => keys.complete(id, real(token), response),
      release: (id, token, ...rest) => keys.release(id, real(token), ...rest),
      resolve: (...args) => keys.resolve(...args),
    },
  }
}

function renewsForEver({ keys, ...parts }: NodeDependencies): NodeDependencies {
  return {
    ...parts,
    keys: {
      ...keys,
      claim: claimThen(keys, function beat(id, token, leaseMs) {
        keys.renew(id, token, leaseMs).catch(() => {})
        setTimeout(beat, leaseMs / 3, id, token, leaseMs)
      }),
    },
  }
}

function rewritten(response: StoredResponse): StoredResponse {
  return {
    ...response,
    body: Buffer.from(JSON.stringify(JSON.parse(response.body.toString()), undefined, 1)),
  }
}

/** What a claim finds is something else. */
function withClaims({ keys, ...parts }: NodeDependencies, change: (found: Claim) => Claim): NodeDependencies {
  return {
    ...parts,
    keys: { ...keys, claim: async (...args) => change(await keys.claim(...args)) },
  }
}

type TakenOver = Extract<BeginResult, { outcome: 'taken_over' }>

/** What a takeover of a payment finds is something else. */
function withTakeovers(
  { payments, ...parts }: NodeDependencies,
  change: (found: TakenOver) => BeginResult,
): NodeDependencies {
  return {
    ...parts,
    payments: {
      ...steps(payments),
      async begin(beginning) {
        const begun = await payments.begin(beginning)
        return begun.outcome === 'taken_over' ? change(begun) : begun
      },
    },
  }
}

function steps(payments: NodeDependencies['payments']): NodeDependencies['payments'] {
  return {
    begin: (...args) => payments.begin(...args),
    sendAgain: (...args) => payments.sendAgain(...args),
    settle: (...args) => payments.settle(...args),
    leaveOpen: (...args) => payments.leaveOpen(...args),
    abandon: (...args) => payments.abandon(...args),
  }
}
