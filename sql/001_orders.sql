-- Orders: the truth of the service. One row is the order, the key it was placed under and the answer that was
-- given for it; the unique constraint below is what carries the promise "never a second order for a key".
-- Keyed (client, ...) first everywhere, so that the table can be partitioned or sharded by client.
CREATE TABLE orders (
  client          text COLLATE "C" NOT NULL CHECK (client ~ '^[A-Za-z0-9._-]{1,64}$'),
  -- UUIDv7: ordered by time, so that the primary key also serves "newest first".
  id              uuid NOT NULL,
  -- The key as the partner meant it: without the quotes of an RFC 9651 string.
  idempotency_key text COLLATE "C" NOT NULL CHECK (octet_length(idempotency_key) BETWEEN 1 AND 255),
  -- SHA-256 over method, request target and body.
  fingerprint     bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  user_id         text NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 255),
  item            text NOT NULL CHECK (char_length(item) BETWEEN 1 AND 255),
  -- At most 15 significant digits, 2 of them decimals.
  amount          numeric(17, 2) NOT NULL CHECK (amount > 0),
  answer_status   smallint NOT NULL CHECK (answer_status BETWEEN 200 AND 299),
  -- The bytes that were answered. Not jsonb: that would reorder the members.
  answer_body     bytea NOT NULL,
  created_at      timestamptz(3) NOT NULL,
  PRIMARY KEY (client, id),
  CONSTRAINT orders_once UNIQUE (client, idempotency_key)
);
