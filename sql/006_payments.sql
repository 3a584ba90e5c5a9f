-- A payment is a state machine with one function for each step (functions/payment_*.sql). No transaction is open while the
-- gateway is called: each step is one autocommit statement and writes its entry of the audit trail. The attempt number
-- fences: a step of an attempt that was taken over changes nothing and returns false.
CREATE TABLE payments (
  client          text COLLATE "C" NOT NULL CHECK (client <> '' AND octet_length(client) <= 64
    AND ltrim(client, 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-') = ''),
  id              uuid NOT NULL,
  scope           text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL CHECK (octet_length(idempotency_key) BETWEEN 1 AND 255),
  fingerprint     bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  state           text NOT NULL CHECK (state IN ('processing', 'completed', 'declined', 'unknown')),
  attempt         integer NOT NULL CHECK (attempt >= 1),
  lease_until     timestamptz NOT NULL,
  sent_at         timestamptz NOT NULL,
  check_at        timestamptz,
  checks          integer NOT NULL DEFAULT 0,
  amount          numeric(19, 4) NOT NULL CHECK (amount > 0),
  currency        text CHECK (octet_length(currency) = 3 AND ltrim(currency, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ') = ''),
  user_id         text CHECK (char_length(user_id) BETWEEN 1 AND 255),
  description     text CHECK (char_length(description) BETWEEN 1 AND 255),
  payment_method  text CHECK (payment_method ~ '^[*]{4}.{0,4}$'),
  metadata        text,
  gateway_key     text COLLATE "C" NOT NULL CHECK (octet_length(gateway_key) = 64
    AND ltrim(gateway_key, '0123456789abcdef') = ''),
  charge_id       text CHECK (char_length(charge_id) BETWEEN 1 AND 255),
  response_status smallint CHECK (response_status BETWEEN 200 AND 499),
  response_body   bytea,
  created_at      timestamptz(3) NOT NULL,
  settled_at      timestamptz(3),
  PRIMARY KEY (client, id),
  CONSTRAINT payments_once UNIQUE (client, scope, idempotency_key),
  CHECK ((state IN ('completed', 'declined'))
    = (response_status IS NOT NULL AND response_body IS NOT NULL AND settled_at IS NOT NULL)),
  CHECK ((state IN ('completed', 'declined')) = (check_at IS NULL)),
  CHECK (state <> 'completed' OR charge_id IS NOT NULL)
);
-- Only payments that are not settled: the index is as small as the work of the completer.
CREATE INDEX payments_check_at ON payments (check_at) WHERE check_at IS NOT NULL;
COMMENT ON COLUMN payments.id IS 'The transaction id. UUIDv7: ordered by time';
COMMENT ON COLUMN payments.scope IS 'Method and route, such as POST /api/v1/payments';
COMMENT ON COLUMN payments.idempotency_key IS 'Without the quotes of an RFC 9651 string';
COMMENT ON COLUMN payments.fingerprint IS 'SHA-256 over method, request target and body';
COMMENT ON COLUMN payments.state IS 'unknown: the gateway did not report the outcome for a day; it is asked again, more slowly';
COMMENT ON COLUMN payments.attempt IS 'Of the request or worker that holds or last held the payment; each takeover adds one';
COMMENT ON COLUMN payments.lease_until IS 'No other attempt takes the payment over before';
COMMENT ON COLUMN payments.sent_at IS 'Written before the first byte of a charge is sent';
COMMENT ON COLUMN payments.check_at IS 'When to ask the gateway next; NULL once the outcome is known';
COMMENT ON COLUMN payments.checks IS 'How often the completer has asked the gateway';
COMMENT ON COLUMN payments.amount IS 'At most 15 significant digits; the decimals of the currency, at most 4';
COMMENT ON COLUMN payments.currency IS 'ISO 4217; NULL where the route has none';
COMMENT ON COLUMN payments.payment_method IS 'Masked. The whole value is stored nowhere, so that only a retry of the client can charge';
COMMENT ON COLUMN payments.metadata IS 'A JSON object as text';
COMMENT ON COLUMN payments.gateway_key IS 'The idempotency key of the charge: SHA-256 over client, scope and key';
COMMENT ON COLUMN payments.charge_id IS 'The id that the gateway gave the charge';
