-- The PostgreSQL store of idempotency keys: one row for each key, and one function for each verb (functions/key_*.sql).
-- in_progress -> in_progress with dispatched_at -> completed | unknown. A record that is dispatched or unknown is the only
-- trace of what may have happened: it is neither taken over nor forgotten.
CREATE TABLE idempotency_keys (
  client        text COLLATE "C" NOT NULL,
  scope         text COLLATE "C" NOT NULL,
  key           text COLLATE "C" NOT NULL,
  fingerprint   bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  state         text NOT NULL CHECK (state IN ('in_progress', 'completed', 'unknown')),
  token         bytea NOT NULL CHECK (octet_length(token) = 16),
  attempt       integer NOT NULL CHECK (attempt >= 1),
  lease_until   timestamptz NOT NULL,
  expires_at    timestamptz NOT NULL,
  status        smallint CHECK (status BETWEEN 100 AND 599),
  headers       text,
  body          bytea,
  dispatched_at timestamptz,
  unknown_at    timestamptz,
  reason        text COLLATE "C" CHECK (reason ~ '^[a-z_]{1,40}$'),
  resolved_by   text,
  lease_ms      integer CHECK (lease_ms >= 0),
  PRIMARY KEY (client, scope, key),
  CHECK ((state = 'completed') = (status IS NOT NULL AND headers IS NOT NULL AND body IS NOT NULL)),
  CHECK (resolved_by IS NULL OR state = 'completed'),
  CONSTRAINT idempotency_keys_kept CHECK (
    expires_at = 'infinity' OR NOT (state = 'unknown' OR (state = 'in_progress' AND dispatched_at IS NOT NULL)))
) WITH (fillfactor = 70);
CREATE INDEX idempotency_keys_expires_at ON idempotency_keys (expires_at);
COMMENT ON COLUMN idempotency_keys.scope IS 'Method and route, such as POST /orders';
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'SHA-256 over method, request target and body';
COMMENT ON COLUMN idempotency_keys.state IS 'in_progress with dispatched_at counts as unknown once the lease has ended';
COMMENT ON COLUMN idempotency_keys.token IS 'Of the attempt that holds or last held the key; each later verb must show it';
COMMENT ON COLUMN idempotency_keys.attempt IS 'More than 1 after a takeover';
COMMENT ON COLUMN idempotency_keys.lease_until IS 'By the clock of the database';
COMMENT ON COLUMN idempotency_keys.expires_at IS 'Afterwards the record counts as absent. Set by the claim and not by complete, so that completing is a HOT update';
COMMENT ON COLUMN idempotency_keys.headers IS 'A JSON object of the headers that are replayed';
COMMENT ON COLUMN idempotency_keys.dispatched_at IS 'From then on the request may have been sent: when the lease ends, its outcome is unknown';
COMMENT ON COLUMN idempotency_keys.reason IS 'Why the outcome is unknown: UNKNOWN_REASONS in internal/idempotency/store.ts';
COMMENT ON COLUMN idempotency_keys.resolved_by IS 'An operator, or lookup; NULL where the holder itself recorded the response';
COMMENT ON COLUMN idempotency_keys.lease_ms IS 'Length of the lease. A lease that ends later than this from now was written before the clock was put back, and is shortened';
