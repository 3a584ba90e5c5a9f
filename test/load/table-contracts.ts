/** Files of `test/contract` that every PostgreSQL is tried with. */
export const TABLE_CONTRACTS = [
  'keys-on-postgres',
  'order-store',
  'payment-store',
  'audit-log',
  'client-table',
  'sweeper',
] as const
