-- Where clients want their events sent, and what became of each delivery.
CREATE TABLE webhook_endpoints (
  client        text COLLATE "C" NOT NULL CHECK (client <> '' AND octet_length(client) <= 64),
  id            uuid NOT NULL,
  slot          smallint NOT NULL CHECK (slot BETWEEN 1 AND 20),
  url           text COLLATE "C" NOT NULL CHECK (octet_length(url) <= 2000),
  types         text COLLATE "C",
  state         text NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled')),
  reason        text COLLATE "C" CHECK (reason IN ('gone', 'failing', 'operator')),
  position      bigint NOT NULL,
  object        uuid NOT NULL DEFAULT 'ffffffff-ffff-ffff-ffff-ffffffffffff',
  failing_since timestamptz(3),
  created_at    timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (client, id),
  UNIQUE (client, slot),
  UNIQUE (client, url),
  CHECK ((state = 'disabled') = (reason IS NOT NULL))
);
COMMENT ON COLUMN webhook_endpoints.slot IS 'Makes "at most 20 for a client" hold, whatever runs at once';
COMMENT ON COLUMN webhook_endpoints.url IS 'Its rules are in endpoint-url.ts';
COMMENT ON COLUMN webhook_endpoints.types IS 'The types of its events, with commas; NULL: all';
COMMENT ON COLUMN webhook_endpoints.state IS 'disabled: nothing is sent, and its events wait';
COMMENT ON COLUMN webhook_endpoints.reason IS 'Why it is disabled';
COMMENT ON COLUMN webhook_endpoints.position IS 'With object: the last event that has its delivery';
COMMENT ON COLUMN webhook_endpoints.object IS 'With position: the last event that has its delivery';
COMMENT ON COLUMN webhook_endpoints.failing_since IS 'The first failed attempt since the last success; NULL: there was none';

CREATE TABLE webhook_secrets (
  client     text COLLATE "C" NOT NULL,
  endpoint   uuid NOT NULL,
  id         text COLLATE "C" NOT NULL CHECK (octet_length(id) = 12),
  sealed     bytea NOT NULL CHECK (octet_length(sealed) > 28),
  key_id     text COLLATE "C" NOT NULL CHECK (octet_length(key_id) = 16),
  created_at timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz(3),
  PRIMARY KEY (client, endpoint, id),
  FOREIGN KEY (client, endpoint) REFERENCES webhook_endpoints ON DELETE CASCADE
);
COMMENT ON COLUMN webhook_secrets.endpoint IS 'What it signs for';
COMMENT ON COLUMN webhook_secrets.id IS 'Random; names the secret and tells nothing about it';
COMMENT ON COLUMN webhook_secrets.sealed IS 'As in client_secrets';
COMMENT ON COLUMN webhook_secrets.key_id IS 'As in client_secrets';
COMMENT ON COLUMN webhook_secrets.expires_at IS 'It was rotated and signs until then; NULL: the newest one';

CREATE TABLE webhook_deliveries (
  client      text COLLATE "C" NOT NULL,
  endpoint    uuid NOT NULL,
  object      uuid NOT NULL,
  type        text COLLATE "C" NOT NULL,
  position    bigint NOT NULL,
  at          timestamptz(3) NOT NULL,
  state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
  attempts    integer NOT NULL DEFAULT 0,
  failures    integer NOT NULL DEFAULT 0,
  next_at     timestamptz(3) NOT NULL DEFAULT clock_timestamp(),
  lease_until timestamptz(3),
  status      smallint,
  response    text CHECK (char_length(response) <= 256),
  error       text CHECK (char_length(error) <= 256),
  ended_at    timestamptz(3),
  PRIMARY KEY (client, endpoint, object, type),
  FOREIGN KEY (client, endpoint) REFERENCES webhook_endpoints ON DELETE CASCADE,
  CHECK ((state = 'pending') = (ended_at IS NULL))
);
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (client, endpoint, next_at) WHERE state = 'pending';
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;
COMMENT ON COLUMN webhook_deliveries.endpoint IS 'Where it goes';
COMMENT ON COLUMN webhook_deliveries.object IS 'With type: the event';
COMMENT ON COLUMN webhook_deliveries.position IS 'Of the event';
COMMENT ON COLUMN webhook_deliveries.type IS 'With object: the event';
COMMENT ON COLUMN webhook_deliveries.state IS 'failed: it is not tried any more';
COMMENT ON COLUMN webhook_deliveries.ended_at IS 'When it was delivered or failed';
COMMENT ON COLUMN webhook_deliveries.at IS 'The time of the event';
COMMENT ON COLUMN webhook_deliveries.attempts IS 'Also fences: only the newest attempt records what became of it';
COMMENT ON COLUMN webhook_deliveries.failures IS 'Attempts that failed since it was made or replayed: the place in the schedule';
COMMENT ON COLUMN webhook_deliveries.next_at IS 'When it is tried next, while it is pending';
COMMENT ON COLUMN webhook_deliveries.lease_until IS 'A node sends it until then; NULL: none does';
COMMENT ON COLUMN webhook_deliveries.status IS 'Of the last response';
COMMENT ON COLUMN webhook_deliveries.response IS 'The first characters of the last response';
COMMENT ON COLUMN webhook_deliveries.error IS 'Why the last attempt failed';

-- An endpoint can be disabled more than once: each time is an event of its own.
ALTER TABLE events ADD COLUMN endpoint uuid;
COMMENT ON COLUMN events.endpoint IS 'Of webhook_endpoint.disabled, whose object is random';

-- Who may write payments may do so with endpoints.
DO $$
DECLARE
  granted record;
  name text;
BEGIN
  FOR granted IN
    SELECT privilege_type AS name, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role
      FROM pg_class, aclexplode(relacl)
      WHERE pg_class.oid = 'payments'::regclass AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
        AND grantee <> relowner
  LOOP
    FOREACH name IN ARRAY ARRAY['webhook_endpoints', 'webhook_secrets', 'webhook_deliveries'] LOOP
      EXECUTE format('GRANT %s ON %I TO %s', granted.name, name, granted.role);
    END LOOP;
  END LOOP;
END $$;
