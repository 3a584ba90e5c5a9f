-- Partners and their secrets ("oncekey clients"). Each node keeps them in memory and reads them again when clients_version
-- has increased; the triggers increase it on every change and notify the channel oncekey_clients.
CREATE TABLE clients (
  id         text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9._-]{1,64}$'),
  min_scheme text CHECK (min_scheme IN ('v0', 'v1', 'rfc9421')),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  limits     text CHECK (length(limits) BETWEEN 1 AND 1000)
);
COMMENT ON COLUMN clients.min_scheme IS 'The weakest signature scheme accepted; NULL: MIN_SCHEME';
COMMENT ON COLUMN clients.limits IS 'As in RATE_LIMITS, in place of its limits of scope client and endpoint; none: no such limits; NULL: those of RATE_LIMITS';

CREATE TABLE client_secrets (
  client     text COLLATE "C" NOT NULL REFERENCES clients (id),
  id         text COLLATE "C" NOT NULL CHECK (id ~ '^[0-9a-f]{12}$'),
  state      text NOT NULL CHECK (state IN ('active', 'retiring', 'revoked')),
  slot       smallint CHECK (slot BETWEEN 1 AND 3),
  sealed     bytea CHECK (octet_length(sealed) > 28),
  key_id     text COLLATE "C" NOT NULL CHECK (key_id ~ '^[0-9a-f]{16}$'),
  created_at timestamptz(3) NOT NULL DEFAULT now(),
  expires_at timestamptz(3),
  revoked_at timestamptz(3),
  PRIMARY KEY (client, id),
  UNIQUE (client, slot),
  CHECK ((state = 'revoked') = (slot IS NULL)),
  CHECK ((state = 'revoked') = (sealed IS NULL)),
  CHECK ((state = 'revoked') = (revoked_at IS NOT NULL)),
  CHECK (CASE state WHEN 'active' THEN expires_at IS NULL WHEN 'retiring' THEN expires_at IS NOT NULL ELSE true END)
);
CREATE UNIQUE INDEX client_secrets_active ON client_secrets (client) WHERE state = 'active';
COMMENT ON COLUMN client_secrets.id IS 'Random; names the secret in lists and logs and reveals nothing about it';
COMMENT ON COLUMN client_secrets.state IS 'active: the one to sign with. retiring: accepted until expires_at. revoked: never accepted again';
COMMENT ON COLUMN client_secrets.slot IS 'Holds "at most 3 secrets in force" under concurrency: each needs a slot of its own';
COMMENT ON COLUMN client_secrets.sealed IS 'AES-256-GCM under SECRETS_KEY: 12 bytes of nonce, ciphertext, 16 bytes of tag; client and id are associated data. Erased when revoked';
COMMENT ON COLUMN client_secrets.key_id IS 'Which SECRETS_KEY: the first 8 bytes of its SHA-256';

-- Its row lock makes changes follow one another, so that a higher version always includes the lower ones.
CREATE TABLE clients_version (
  one     boolean PRIMARY KEY DEFAULT true CHECK (one),
  version bigint NOT NULL
);
INSERT INTO clients_version (version) VALUES (1);

CREATE FUNCTION oncekey_clients_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE clients_version SET version = version + 1;
  PERFORM pg_notify('oncekey_clients', '');
  RETURN NULL;
END $$;
CREATE TRIGGER clients_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON clients
  FOR EACH STATEMENT EXECUTE FUNCTION oncekey_clients_changed();
CREATE TRIGGER client_secrets_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON client_secrets
  FOR EACH STATEMENT EXECUTE FUNCTION oncekey_clients_changed();
