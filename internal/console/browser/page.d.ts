// What the service responds to the page. Only the compiler reads it.

type ClientStanding = import('../shown.ts').ClientStanding
type OpenOutcomes = import('../shown.ts').OpenOutcomes
type OpenKey = import('../shown.ts').OpenKey
type OpenPayment = import('../shown.ts').OpenPayment

interface NodeRow {
  id: string
  silentMs: number
  live: boolean
  version?: string
  uptimeMs?: number
  requestsPerS?: number
  eventLoopMs?: number
  residentBytes?: number
  inFlight?: number
  circuits?: Record<string, string>
}

interface Overview extends OpenOutcomes {
  kind: 'service' | 'sidecar'
  /** The client whose keys a search begins with. */
  searchClient: string
  outcomes: string[]
  bucketMs: number
  lastBucket: number
  buckets: number[][]
  requestsPerS: number
  inFlight: number
  circuit?: string
  clients: { client: string; requests: number; limited: number; standings?: ClientStanding[] }[]
  locks: { client: string; scope: string; key: string; attempt: number; ageMs: number }[]
  nodes: NodeRow[]
}

interface EndpointRow {
  client: string
  id: string
  url: string
  state: 'enabled' | 'disabled'
  reason?: string
  failingMs?: number
  deliveredMs?: number
  failedMs?: number
  open: number
  failed: number
}

interface Endpoints {
  endpoints: EndpointRow[]
  /** false: there are more. */
  complete: boolean
}

interface DeliveryRow {
  event: string
  type: string
  at: string
  state: 'pending' | 'delivered' | 'failed'
  attempts: number
  status?: number
  response?: string
  error?: string
  nextMs?: number
  sending: boolean
  endedMs?: number
}

interface ShownResponse {
  status: number
  headers: Record<string, string | string[]>
  bytes: number
  body: string
}

interface Life {
  client: string
  key: string
  records: (OpenKey & {
    state: 'in_progress' | 'completed' | 'unknown'
    leaseMs?: number
    expiresMs?: number
    resolvedBy?: string
    response?: ShownResponse
  })[]
  orders: {
    id: string
    userId: string
    item: string
    amount: string
    createdAt: string
    status: number
    body?: string
  }[]
  payments: {
    id: string
    scope: string
    state: string
    attempt: number
    checks: number
    amount: string
    currency: string | null
    userId: string | null
    description: string | null
    paymentMethod: string | null
    chargeId: string | null
    createdAt: string
    sentAt: string
    checkAt?: string
    settledAt?: string
    status: number | null
    body?: string
  }[]
  audit: { seq?: number; at: string; event: string; entry: string }[]
  /** false: there was no time to look at all keys of the client. */
  complete: boolean
  /** undefined: there is no audit trail of orders and payments. */
  lookedThrough?: number
}

type Child = Node | string | number | undefined | false

/** Sends a request as the operator who is signed in, and resolves with what the JSON of the response says. */
type Ask = (path: string, body?: object) => Promise<unknown>
