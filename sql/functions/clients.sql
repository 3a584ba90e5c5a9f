-- Each may be sent again with the same secret id when its first result was lost, and returns the same word.

-- 'added' | 'exists'
CREATE OR REPLACE FUNCTION oncekey_add_client(
  p_client text, p_min_scheme text, p_secret text, p_sealed bytea, p_key_id text
) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO clients (id, min_scheme) VALUES (p_client, p_min_scheme) ON CONFLICT DO NOTHING;
  IF FOUND THEN
    INSERT INTO client_secrets (client, id, state, slot, sealed, key_id)
      VALUES (p_client, p_secret, 'active', 1, p_sealed, p_key_id);
  ELSIF NOT EXISTS (SELECT FROM client_secrets WHERE client = p_client AND id = p_secret) THEN
    RETURN 'exists';
  END IF;
  RETURN 'added';
END $$;

-- Adds a secret; every older one ends after p_overlap_ms at the latest, with 0 at once.
-- 'rotated' | 'unknown_client' | 'full' (three are in force, nothing was changed)
CREATE OR REPLACE FUNCTION oncekey_rotate_client(
  p_client text, p_secret text, p_sealed bytea, p_key_id text, p_overlap_ms bigint
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  t timestamptz;
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
  IF p_overlap_ms > 0 AND (
    SELECT count(*) FROM client_secrets
      WHERE client = p_client AND (state = 'active' OR state = 'retiring' AND expires_at > t)) >= 3 THEN
    RETURN 'full';
  END IF;
  -- Secrets that have ended give up their slot.
  UPDATE client_secrets SET state = 'revoked', slot = NULL, sealed = NULL, revoked_at = least(expires_at, t)
    WHERE client = p_client AND state <> 'revoked' AND (p_overlap_ms = 0 OR expires_at <= t);
  UPDATE client_secrets
    SET state = 'retiring', expires_at = least(expires_at, t + p_overlap_ms * interval '1 millisecond')
    WHERE client = p_client AND state <> 'revoked';
  SELECT n INTO free FROM generate_series(1, 3) AS n
    WHERE NOT EXISTS (SELECT FROM client_secrets WHERE client = p_client AND slot = n) LIMIT 1;
  INSERT INTO client_secrets (client, id, state, slot, sealed, key_id)
    VALUES (p_client, p_secret, 'active', free, p_sealed, p_key_id);
  RETURN 'rotated';
END $$;

-- Ends and erases one secret, or with p_secret NULL all secrets of the client. Secrets revoked before stay as they were.
-- 'revoked' | 'unknown_client' | 'unknown_secret'
CREATE OR REPLACE FUNCTION oncekey_revoke_client(p_client text, p_secret text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM clients WHERE id = p_client FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'unknown_client';
  END IF;
  IF p_secret IS NOT NULL
    AND NOT EXISTS (SELECT FROM client_secrets WHERE client = p_client AND id = p_secret) THEN
    RETURN 'unknown_secret';
  END IF;
  UPDATE client_secrets
    SET state = 'revoked', slot = NULL, sealed = NULL, revoked_at = least(expires_at, clock_timestamp())
    WHERE client = p_client AND (p_secret IS NULL OR id = p_secret) AND state <> 'revoked';
  RETURN 'revoked';
END $$;
