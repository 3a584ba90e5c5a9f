import { storeUnavailable } from '../../internal/database/deadline.ts'
import type { IdempotencyStore } from '../../internal/idempotency/store.ts'
import type { OrderStore } from '../../internal/orders/order-store.ts'
import type { Charge, ChargeOptions, ChargeResult, FindResult } from '../../internal/payments/gateway.ts'
import type { PaymentStore } from '../../internal/payments/payment-store.ts'
import type { DuePayment, ReadKey, TakeDue } from '../../internal/payments/read-payments.ts'
import type { Network } from './failpoints.ts'
import type { BackendRun, ModelBackend } from './model-backend.ts'
import type { ModelGateway } from './model-gateway.ts'
import type { ModelKeys } from './model-keys.ts'
import type { ModelOrders } from './model-orders.ts'
import type { ModelPayments } from './model-payments.ts'

/** What the nodes share and what the checks look at in the end. */
export interface Models {
  keys: ModelKeys
  orders: ModelOrders
  payments: ModelPayments
  gateway: ModelGateway
  backend: ModelBackend
}

/** What the backend, or the connection to it, gave. */
export type BackendResult = BackendRun | 'unreachable' | 'lost' | 'timeout'

/** The outside of a node: everything that it can only ask. */
export interface NodeDependencies {
  keys: IdempotencyStore
  orders: OrderStore
  payments: PaymentStore
  readKey: ReadKey
  takeDue: (take: TakeDue) => Promise<DuePayment[]>
  charge: (charge: Charge, options: ChargeOptions) => Promise<ChargeResult>
  find: (key: string) => Promise<FindResult>
  send: (client: string, key: string, body: string) => Promise<BackendResult>
  ask: (client: string, key: string) => Promise<BackendRun | undefined>
}

/** Short enough for several failures within a lease; the database has longer, so that handlers outlive a lease. */
const KEYS = { deadlineMs: 500, lateMs: 1_000 }
const DATABASE = { deadlineMs: 2_500, lateMs: 1_000 }
export const GATEWAY_TIMEOUT_MS = 2_000
/** A charge that left shows within the 3 s after our patience that the service counts on. */
const GATEWAY = { deadlineMs: GATEWAY_TIMEOUT_MS, lateMs: 2_900 }
const BACKEND = { deadlineMs: 3_000, lateMs: 2_000 }
/** After it a request to the backend is not at work any more. */
export const BACKEND_MAX_MS = 6_000

/** The models without anything in between. */
export function directly(models: Models, ttlMs: number, now: () => number): NodeDependencies {
  const { keys, orders, payments, gateway, backend } = models
  return {
    keys: keys.store(ttlMs),
    orders,
    payments,
    readKey: (of) => payments.readKey(of),
    takeDue: (take) => payments.takeDue(take),
    charge: (charge) => gateway.charge(charge, now()),
    find: (key) => gateway.find(key),
    send: (client, key, body) => backend.run(client, key, body, now()),
    ask: (client, key) => backend.find(client, key),
  }
}

/** The same at the other end of a network, where every call is a failpoint. */
export function over(network: Network, parts: NodeDependencies): NodeDependencies {
  const { keys, orders, payments } = parts
  const away = (effect: 'none' | 'lost' | 'deadline'): never => {
    throw storeUnavailable(new Error(effect), effect === 'none' ? 'none' : 'unknown')
  }
  const key = <T>(name: string, act: () => Promise<T>) =>
    network.call({ name: `keys.${name}`, act, failed: away, ...KEYS })
  const database = <T>(name: string, act: () => Promise<T>) =>
    network.call({ name, act, failed: away, ...DATABASE })
  return {
    keys: {
      claim: (...args) => key('claim', () => keys.claim(...args)),
      dispatch: (...args) => key('dispatch', () => keys.dispatch(...args)),
      renew: (...args) => key('renew', () => keys.renew(...args)),
      complete: (...args) => key('complete', () => keys.complete(...args)),
      release: (...args) => key('release', () => keys.release(...args)),
      resolve: (...args) => key('resolve', () => keys.resolve(...args)),
    },
    orders: {
      place: (...args) => database('orders.place', () => orders.place(...args)),
      standing: (...args) => database('orders.standing', () => orders.standing(...args)),
      find: (...args) => database('orders.find', () => orders.find(...args)),
      list: (...args) => database('orders.list', () => orders.list(...args)),
    },
    payments: {
      begin: (...args) => database('payments.begin', () => payments.begin(...args)),
      sendAgain: (...args) => database('payments.sendAgain', () => payments.sendAgain(...args)),
      settle: (...args) => database('payments.settle', () => payments.settle(...args)),
      leaveOpen: (...args) => database('payments.letGo', () => payments.leaveOpen(...args)),
      abandon: (...args) => database('payments.abandon', () => payments.abandon(...args)),
    },
    readKey: (of) => database('payments.readKey', () => parts.readKey(of)),
    takeDue: (take) => database('payments.takeDue', () => parts.takeDue(take)),
    async charge(charge, options) {
      if (!options.mayLeave()) return { outcome: 'unsent', cause: new Error('too late') }
      const act = (): Promise<ChargeResult> => parts.charge(charge, options)
      const failed = (effect: 'none' | 'lost' | 'deadline'): ChargeResult => {
        const cause = new Error(effect)
        if (effect === 'none') return { outcome: 'unsent', cause }
        return { outcome: effect === 'lost' ? 'error' : 'timeout', cause }
      }
      return await network.call({ name: 'gateway.charge', act, failed, ...GATEWAY })
    },
    find(of) {
      const failed = (effect: 'none' | 'lost' | 'deadline'): FindResult => ({
        outcome: effect === 'deadline' ? 'timeout' : 'error',
        cause: new Error(effect),
      })
      return network.call({ name: 'gateway.find', act: () => parts.find(of), failed, ...GATEWAY })
    },
    send(...args) {
      const act = (): Promise<BackendResult> => parts.send(...args)
      const failed = (effect: 'none' | 'lost' | 'deadline'): BackendResult =>
        effect === 'none' ? 'unreachable' : effect === 'lost' ? 'lost' : 'timeout'
      return network.call({ name: 'backend.send', act, failed, ...BACKEND })
    },
    ask(...args) {
      const failed = () => {
        throw new Error('the backend does not respond')
      }
      return network.call({ name: 'backend.ask', act: () => parts.ask(...args), failed, ...BACKEND })
    },
  }
}
