-- Durable states for handlers whose effect cannot be looked up, such as a forwarded request:
-- in_progress -> dispatched (in_progress with dispatched_at) -> completed | unknown. A record that is dispatched or
-- unknown is the only trace of what may have happened: it is neither taken over nor forgotten.
UPDATE idempotency_keys SET expires_at = 'infinity' WHERE state = 'unknown';

ALTER TABLE idempotency_keys
  -- From then on the request may have been sent: when the lease runs out, its outcome is unknown.
  ADD COLUMN dispatched_at timestamptz,
  ADD COLUMN unknown_at timestamptz,
  -- Why the outcome is unknown: one of UNKNOWN_REASONS in store.ts.
  ADD COLUMN reason text COLLATE "C" CHECK (reason ~ '^[a-z_]{1,40}$'),
  -- Who found out what had happened: an operator, or 'lookup'. NULL: the answer is that of the holder itself.
  ADD COLUMN resolved_by text CHECK (resolved_by IS NULL OR state = 'completed'),
  -- Old rows are as the update above left them: not read again under the lock of this statement.
  ADD CONSTRAINT idempotency_keys_kept CHECK (
    expires_at = 'infinity' OR NOT (state = 'unknown' OR (state = 'in_progress' AND dispatched_at IS NOT NULL))
  ) NOT VALID;

-- outcome: acquired (attempt) | replay (status, headers, body) | mismatch | in_progress (wait_ms)
--          | unknown (reason, since_ms: how long ago it was dispatched or became unknown, held: the holder's token)
CREATE FUNCTION oncekey_claim_key(
  p_client text, p_scope text, p_key text, p_fingerprint bytea, p_token bytea, p_lease_ms integer, p_ttl_ms bigint,
  OUT outcome text, OUT attempt integer, OUT wait_ms integer, OUT status smallint, OUT headers text, OUT body bytea,
  OUT reason text, OUT since_ms bigint, OUT held bytea
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  k idempotency_keys;
  t timestamptz;
  lease interval := make_interval(secs => p_lease_ms / 1000.0);
  ttl interval := make_interval(secs => p_ttl_ms / 1000.0);
BEGIN
  -- Each turn but the last lost a race against another claim; whoever won it has made progress.
  FOR turn IN 1..20 LOOP
    SELECT * INTO k FROM idempotency_keys
      WHERE client = p_client AND scope = p_scope AND key = p_key;
    IF NOT FOUND THEN
      t := clock_timestamp();
      INSERT INTO idempotency_keys (client, scope, key, fingerprint, state, token, attempt, lease_until, expires_at)
        VALUES (p_client, p_scope, p_key, p_fingerprint, 'in_progress', p_token, 1, t + lease, t + ttl)
        ON CONFLICT DO NOTHING;
      IF FOUND THEN
        outcome := 'acquired'; attempt := 1;
        RETURN;
      END IF;
      CONTINUE;
    END IF;

    t := clock_timestamp();
    IF k.expires_at <= t AND (k.state <> 'in_progress' OR k.lease_until <= t) THEN
      UPDATE idempotency_keys
        SET fingerprint = p_fingerprint, state = 'in_progress', token = p_token, attempt = 1,
            lease_until = t + lease, expires_at = t + ttl, status = NULL, headers = NULL, body = NULL,
            dispatched_at = NULL, unknown_at = NULL, reason = NULL, resolved_by = NULL
        WHERE client = p_client AND scope = p_scope AND key = p_key AND token = k.token AND state = k.state
          AND lease_until = k.lease_until AND expires_at = k.expires_at;
      IF FOUND THEN
        outcome := 'acquired'; attempt := 1;
        RETURN;
      END IF;
      CONTINUE;
    END IF;

    IF k.fingerprint <> p_fingerprint THEN
      outcome := 'mismatch';
      RETURN;
    ELSIF k.state = 'completed' THEN
      outcome := 'replay'; status := k.status; headers := k.headers; body := k.body;
      RETURN;
    ELSIF k.state = 'in_progress' AND k.token = p_token THEN
      -- The same claim asked again: its first answer was lost on the way.
      outcome := 'acquired'; attempt := k.attempt;
      RETURN;
    ELSIF k.state = 'in_progress' AND k.lease_until > t THEN
      outcome := 'in_progress'; wait_ms := ceil(extract(epoch FROM k.lease_until - t) * 1000);
      RETURN;
    ELSIF k.state = 'unknown' OR k.dispatched_at IS NOT NULL THEN
      outcome := 'unknown'; held := k.token;
      reason := CASE WHEN k.state = 'unknown' THEN k.reason ELSE 'lease_lost' END;
      since_ms := floor(extract(epoch FROM t - coalesce(k.dispatched_at, k.unknown_at, k.lease_until)) * 1000);
      RETURN;
    END IF;

    -- dispatched_at: whoever held it may have dispatched it since it was read.
    UPDATE idempotency_keys
      SET token = p_token, attempt = k.attempt + 1, lease_until = t + lease, expires_at = t + ttl
      WHERE client = p_client AND scope = p_scope AND key = p_key AND token = k.token AND state = 'in_progress'
        AND lease_until = k.lease_until AND dispatched_at IS NULL;
    IF FOUND THEN
      outcome := 'acquired'; attempt := k.attempt + 1;
      RETURN;
    END IF;
  END LOOP;
  RAISE EXCEPTION 'the claim lost % races in a row', 20 USING ERRCODE = 'serialization_failure';
END $$;

-- For services of the version before, while they are being replaced one by one.
CREATE OR REPLACE FUNCTION oncekey_claim(
  p_client text, p_scope text, p_key text, p_fingerprint bytea, p_token bytea, p_lease_ms integer, p_ttl_ms bigint,
  OUT outcome text, OUT attempt integer, OUT wait_ms integer, OUT status smallint, OUT headers text, OUT body bytea
) LANGUAGE sql AS $$
  SELECT outcome, attempt, wait_ms, status, headers, body
    FROM oncekey_claim_key(p_client, p_scope, p_key, p_fingerprint, p_token, p_lease_ms, p_ttl_ms)
$$;

-- true: from now on the outcome is unknown unless it is completed; false: the key is no longer held under this token.
CREATE FUNCTION oncekey_dispatch(p_client text, p_scope text, p_key text, p_token bytea)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE idempotency_keys
    SET dispatched_at = coalesce(dispatched_at, clock_timestamp()), expires_at = 'infinity'
    WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'in_progress';
  RETURN FOUND;
END $$;

-- true: the answer is recorded, now or by the same call before; false: another attempt has taken over, or somebody
-- else has said what happened. Only a dispatched record gets its time to live here; the others have theirs from the
-- claim, so that completing them is a HOT update.
CREATE FUNCTION oncekey_complete(
  p_client text, p_scope text, p_key text, p_token bytea, p_status smallint, p_headers text, p_body bytea,
  p_ttl_ms bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE idempotency_keys
    SET state = 'completed', status = p_status, headers = p_headers, body = p_body,
        expires_at = CASE WHEN dispatched_at IS NULL THEN expires_at
          ELSE clock_timestamp() + make_interval(secs => p_ttl_ms / 1000.0) END
    WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'in_progress';
  RETURN FOUND OR EXISTS (
    SELECT FROM idempotency_keys
      WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'completed'
        AND resolved_by IS NULL);
END $$;

-- p_outcome 'nothing happened' frees the key, 'unknown' holds it, for p_reason, until somebody resolves it.
-- true: done; false: the key is no longer held under this token.
CREATE FUNCTION oncekey_release(
  p_client text, p_scope text, p_key text, p_token bytea, p_outcome text, p_reason text
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF p_outcome = 'nothing happened' THEN
    DELETE FROM idempotency_keys
      WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'in_progress';
  ELSE
    UPDATE idempotency_keys
      SET state = 'unknown', reason = p_reason, unknown_at = clock_timestamp(), expires_at = 'infinity'
      WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'in_progress';
  END IF;
  RETURN FOUND;
END $$;

-- For services of the version before, while they are being replaced one by one.
CREATE OR REPLACE FUNCTION oncekey_release(p_client text, p_scope text, p_key text, p_token bytea, p_outcome text)
RETURNS boolean LANGUAGE sql AS $$
  SELECT oncekey_release(p_client, p_scope, p_key, p_token, p_outcome, NULL)
$$;

-- Says what happened to a record that is unknown under p_token: an answer (p_status, p_headers, p_body), or nothing
-- (p_status NULL), which frees the key. The audit entry is written with it or not at all.
-- answers 'resolved' | 'changed' (it is not unknown under this token, and nothing was done)
CREATE FUNCTION oncekey_resolve(
  p_client text, p_scope text, p_key text, p_token bytea, p_status smallint, p_headers text, p_body bytea,
  p_ttl_ms bigint, p_by text, p_event_type text, p_entry text
) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM oncekey_audit_lock(p_client);
  IF p_status IS NULL THEN
    DELETE FROM idempotency_keys
      WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token
        AND (state = 'unknown'
          OR (state = 'in_progress' AND dispatched_at IS NOT NULL AND lease_until <= clock_timestamp()));
  ELSE
    UPDATE idempotency_keys
      SET state = 'completed', status = p_status, headers = p_headers, body = p_body, resolved_by = p_by,
          expires_at = clock_timestamp() + make_interval(secs => p_ttl_ms / 1000.0)
      WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token
        AND (state = 'unknown'
          OR (state = 'in_progress' AND dispatched_at IS NOT NULL AND lease_until <= clock_timestamp()));
  END IF;
  IF NOT FOUND THEN
    RETURN 'changed';
  END IF;
  PERFORM oncekey_audit(p_client, p_event_type, p_entry);
  RETURN 'resolved';
END $$;

-- The records as operators see them: without those that count as absent, and a dispatched one whose lease has run
-- out as what it is. since_ms: since it was dispatched or became unknown; expires_ms: NULL is never.
CREATE VIEW oncekey_keys AS
  SELECT client, scope, key, encode(token, 'hex') AS held, attempt, status, resolved_by, expires_at,
    CASE WHEN state = 'in_progress' AND dispatched_at IS NOT NULL AND lease_until <= now() THEN 'unknown'
      ELSE state END AS state,
    CASE WHEN state = 'unknown' THEN reason
      WHEN state = 'in_progress' AND dispatched_at IS NOT NULL AND lease_until <= now() THEN 'lease_lost' END AS reason,
    CASE WHEN state <> 'completed'
      THEN floor(extract(epoch FROM now() - coalesce(dispatched_at, unknown_at)) * 1000) END AS since_ms,
    CASE WHEN state = 'in_progress' AND (dispatched_at IS NULL OR lease_until > now())
      THEN greatest(0, ceil(extract(epoch FROM lease_until - now()) * 1000)) END AS lease_ms,
    CASE WHEN expires_at <> 'infinity'
      THEN greatest(0, ceil(extract(epoch FROM expires_at - now()) * 1000)) END AS expires_ms
  FROM idempotency_keys
  WHERE expires_at > now() OR (state = 'in_progress' AND lease_until > now());
