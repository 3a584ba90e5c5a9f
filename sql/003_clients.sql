-- Partners and their secrets, managed by "oncekey clients". Every node keeps them in memory and reads them again
-- when clients_version has moved; the triggers at the end move it and tell so on the channel oncekey_clients,
-- whoever changes a row.
CREATE TABLE clients (
  id         text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9._-]{1,64}$'),
  -- The weakest scheme accepted from this client; NULL: what MIN_SCHEME asks of everybody.
  min_scheme text CHECK (min_scheme IN ('v0', 'v1', 'rfc9421')),
  created_at timestamptz(3) NOT NULL DEFAULT now()
);

CREATE TABLE client_secrets (
  client     text COLLATE "C" NOT NULL REFERENCES clients (id),
  -- Random; names the secret in lists and logs and tells nothing about it.
  id         text COLLATE "C" NOT NULL CHECK (id ~ '^[0-9a-f]{12}$'),
  -- active: works. retiring: works until expires_at. revoked: never works again.
  state      text NOT NULL CHECK (state IN ('active', 'retiring', 'revoked')),
  -- What makes "at most 3 secrets in force" hold whatever runs at once: each needs a place of its own.
  slot       smallint CHECK (slot BETWEEN 1 AND 3),
  -- AES-256-GCM under SECRETS_KEY: 12 bytes of nonce, ciphertext, 16 bytes of tag. Client and id are associated data,
  -- so that it opens in its own row only. Erased when revoked.
  sealed     bytea CHECK (octet_length(sealed) > 28),
  -- Which SECRETS_KEY it was: the first 8 bytes of the key's SHA-256.
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
-- The newest is the one to sign with; all others are on their way out.
CREATE UNIQUE INDEX client_secrets_active ON client_secrets (client) WHERE state = 'active';

-- One row. Its lock makes changes follow one another, so that a higher version always includes the lower ones.
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

-- 'added' | 'exists'. Asked again with the same secret id, because the first answer was lost: 'added'.
CREATE FUNCTION oncekey_add_client(p_client text, p_min_scheme text, p_secret text, p_sealed bytea, p_key_id text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO clients (id, min_scheme) VALUES (p_client, p_min_scheme) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    INSERT INTO client_secrets (client, id, state, slot, sealed, key_id)
      VALUES (p_client, p_secret, 'active', 1, p_sealed, p_key_id);
    RETURN 'added';
  END IF;
  IF EXISTS (SELECT FROM client_secrets WHERE client = p_client AND id = p_secret) THEN
    RETURN 'added';
  END IF;
  RETURN 'exists';
END $$;

-- Adds a secret; every older one ends after p_overlap_ms at the latest, with 0 at once.
-- 'rotated' | 'unknown_client' | 'full' (three are in force, nothing was changed). Asked again with the same secret
-- id: 'rotated'.
CREATE FUNCTION oncekey_rotate_client(
  p_client text, p_secret text, p_sealed bytea, p_key_id text, p_overlap_ms bigint
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  t timestamptz;
  ends timestamptz;
  free smallint;
BEGIN
  -- Rotations and revocations of one client follow one another.
  PERFORM FROM clients WHERE id = p_client FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'unknown_client';
  END IF;
  IF EXISTS (SELECT FROM client_secrets WHERE client = p_client AND id = p_secret) THEN
    RETURN 'rotated';
  END IF;
  t := clock_timestamp();
  ends := t + make_interval(secs => p_overlap_ms / 1000.0);
  IF p_overlap_ms > 0 AND (
    SELECT count(*) FROM client_secrets
      WHERE client = p_client AND (state = 'active' OR state = 'retiring' AND expires_at > t)) >= 3 THEN
    RETURN 'full';
  END IF;
  -- What is over gives up its place.
  UPDATE client_secrets SET state = 'revoked', slot = NULL, sealed = NULL, revoked_at = least(expires_at, t)
    WHERE client = p_client AND state <> 'revoked' AND (p_overlap_ms = 0 OR expires_at <= t);
  UPDATE client_secrets SET state = 'retiring', expires_at = least(expires_at, ends)
    WHERE client = p_client AND state <> 'revoked';
  SELECT n INTO free FROM generate_series(1, 3) AS n
    WHERE NOT EXISTS (SELECT FROM client_secrets WHERE client = p_client AND slot = n) LIMIT 1;
  INSERT INTO client_secrets (client, id, state, slot, sealed, key_id)
    VALUES (p_client, p_secret, 'active', free, p_sealed, p_key_id);
  RETURN 'rotated';
END $$;

-- Ends one secret, or with p_secret NULL all of the client, for good, and erases them.
-- 'revoked' | 'unknown_client' | 'unknown_secret'. What was revoked before stays as it was: 'revoked'.
CREATE FUNCTION oncekey_revoke_client(p_client text, p_secret text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  t timestamptz;
BEGIN
  PERFORM FROM clients WHERE id = p_client FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'unknown_client';
  END IF;
  IF p_secret IS NOT NULL
    AND NOT EXISTS (SELECT FROM client_secrets WHERE client = p_client AND id = p_secret) THEN
    RETURN 'unknown_secret';
  END IF;
  t := clock_timestamp();
  UPDATE client_secrets SET state = 'revoked', slot = NULL, sealed = NULL, revoked_at = least(expires_at, t)
    WHERE client = p_client AND (p_secret IS NULL OR id = p_secret) AND state <> 'revoked';
  RETURN 'revoked';
END $$;
