-- Events: what happened to orders and payments, for their clients. An event is written with the change that it reports: the
-- event of a new order is the order's own row, that of a payment a row here, written by the function that changes the payment.
-- Neither holds a copy of what it reports. Readers go by position and stop before the lowest transaction that is still open:
-- no transaction can commit an event at a position that they have passed.
CREATE TABLE events (
  client   text COLLATE "C" NOT NULL CHECK (client <> '' AND octet_length(client) <= 64),
  position bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
  object   uuid NOT NULL,
  type     text COLLATE "C" NOT NULL CHECK (octet_length(type) BETWEEN 3 AND 64),
  at       timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (client, position, object)
);
COMMENT ON COLUMN events.position IS 'The number of the transaction that wrote it, plus events_shift.shift';
COMMENT ON COLUMN events.object IS 'The payment. The id of the event is made of it and the type';
COMMENT ON COLUMN events.at IS 'By the clock of the database';
COMMENT ON COLUMN events.type IS 'For example payment.completed';

-- Older orders have no position and no event.
ALTER TABLE orders ADD COLUMN position bigint;
ALTER TABLE orders ALTER COLUMN position SET DEFAULT pg_current_xact_id()::text::bigint;
CREATE INDEX orders_position ON orders (client, position) WHERE position IS NOT NULL;
COMMENT ON COLUMN orders.position IS 'As in events: the row is the event order.created';

CREATE TABLE events_shift (
  one    boolean PRIMARY KEY DEFAULT true CHECK (one),
  shift  bigint NOT NULL,
  origin text NOT NULL
);
COMMENT ON TABLE events_shift IS 'One row';
COMMENT ON COLUMN events_shift.shift IS
  'What the defaults of position add to the number of the transaction: 0 until the database is restored from a dump';
COMMENT ON COLUMN events_shift.origin IS 'oncekey_events_origin() of the database that the shift is for';
INSERT INTO events_shift (shift, origin)
  SELECT 0, concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
    (SELECT oid FROM pg_database WHERE datname = current_database()));

-- Who may write payments may write their events.
DO $$
DECLARE
  granted record;
BEGIN
  FOR granted IN
    SELECT privilege_type AS name, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role
      FROM pg_class, aclexplode(relacl)
      WHERE pg_class.oid = 'payments'::regclass AND privilege_type IN ('SELECT', 'INSERT') AND grantee <> relowner
  LOOP
    EXECUTE format('GRANT %s ON events TO %s', granted.name, granted.role);
    EXECUTE format('GRANT SELECT ON events_shift TO %s', granted.role);
  END LOOP;
END $$;
