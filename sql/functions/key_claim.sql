-- Claims a key in one atomic step. It must be a statement of its own at READ COMMITTED, where each query inside sees what
-- was committed before it began.
-- outcome: acquired (attempt) | replay (status, headers, body) | in_progress (wait_ms)
--          | mismatch (held: the fingerprint of the record, status: that of its response, if it has one)
--          | unknown (reason, since_ms: since it was dispatched or became unknown, held: the token of its holder)
CREATE OR REPLACE FUNCTION oncekey_claim(
  p_client text, p_scope text, p_key text, p_fingerprint bytea, p_token bytea, p_lease_ms integer, p_ttl_ms bigint,
  OUT outcome text, OUT attempt integer, OUT wait_ms integer, OUT status smallint, OUT headers text, OUT body bytea,
  OUT reason text, OUT since_ms bigint, OUT held bytea
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  k idempotency_keys;
  t timestamptz;
  lease interval := p_lease_ms * interval '1 millisecond';
  ttl interval := p_ttl_ms * interval '1 millisecond';
BEGIN
  -- Each turn but the last lost a race against another claim, which has made progress.
  FOR turn IN 1..20 LOOP
    attempt := 1;
    SELECT * INTO k FROM idempotency_keys WHERE client = p_client AND scope = p_scope AND key = p_key;
    t := clock_timestamp();
    IF NOT FOUND THEN
      INSERT INTO idempotency_keys
          (client, scope, key, fingerprint, state, token, attempt, lease_until, lease_ms, expires_at)
        VALUES (p_client, p_scope, p_key, p_fingerprint, 'in_progress', p_token, 1, t + lease, p_lease_ms, t + ttl)
        ON CONFLICT DO NOTHING;
    ELSIF k.expires_at <= t AND (k.state <> 'in_progress' OR k.lease_until <= t) THEN
      -- The record counts as absent.
      UPDATE idempotency_keys
        SET fingerprint = p_fingerprint, state = 'in_progress', token = p_token, attempt = 1, lease_until = t + lease,
            lease_ms = p_lease_ms, expires_at = t + ttl, status = NULL, headers = NULL, body = NULL,
            dispatched_at = NULL, unknown_at = NULL, reason = NULL, resolved_by = NULL
        WHERE client = p_client AND scope = p_scope AND key = p_key AND token = k.token AND state = k.state
          AND lease_until = k.lease_until AND expires_at = k.expires_at;
    ELSIF k.fingerprint <> p_fingerprint THEN
      outcome := 'mismatch'; held := k.fingerprint;
      IF k.state = 'completed' THEN status := k.status; END IF;
      RETURN;
    ELSIF k.state = 'completed' THEN
      outcome := 'replay'; status := k.status; headers := k.headers; body := k.body;
      RETURN;
    ELSIF k.state = 'in_progress' AND k.token = p_token THEN
      -- The same claim, sent again because its first result was lost.
      outcome := 'acquired'; attempt := k.attempt;
      RETURN;
    ELSIF k.state = 'in_progress' AND k.lease_until > t THEN
      IF k.lease_until > t + k.lease_ms * interval '1 millisecond' THEN
        -- The clock was put back since the lease was written: without this a dead holder would keep the key for as long.
        UPDATE idempotency_keys SET lease_until = t + lease_ms * interval '1 millisecond'
          WHERE client = p_client AND scope = p_scope AND key = p_key AND token = k.token AND state = 'in_progress'
            AND lease_until = k.lease_until;
        k.lease_until := t + k.lease_ms * interval '1 millisecond';
      END IF;
      outcome := 'in_progress'; wait_ms := ceil(extract(epoch FROM k.lease_until - t) * 1000);
      RETURN;
    ELSIF k.state = 'unknown' OR k.dispatched_at IS NOT NULL THEN
      outcome := 'unknown'; held := k.token;
      reason := CASE WHEN k.state = 'unknown' THEN k.reason ELSE 'lease_lost' END;
      since_ms := floor(extract(epoch FROM t - coalesce(k.dispatched_at, k.unknown_at, k.lease_until)) * 1000);
      RETURN;
    ELSE
      -- A takeover. dispatched_at: the holder may have dispatched the request since the row was read.
      attempt := k.attempt + 1;
      UPDATE idempotency_keys
        SET token = p_token, attempt = k.attempt + 1, lease_until = t + lease, lease_ms = p_lease_ms, expires_at = t + ttl
        WHERE client = p_client AND scope = p_scope AND key = p_key AND token = k.token AND state = 'in_progress'
          AND lease_until = k.lease_until AND dispatched_at IS NULL;
    END IF;
    IF FOUND THEN
      outcome := 'acquired';
      RETURN;
    END IF;
  END LOOP;
  RAISE EXCEPTION 'the claim lost % races in a row', 20 USING ERRCODE = 'serialization_failure';
END $$;
