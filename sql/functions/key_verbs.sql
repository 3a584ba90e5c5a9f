-- What the holder of a key does with it. Each returns false if the key is no longer held under the token.

-- The lease ends p_lease_ms from now.
CREATE OR REPLACE FUNCTION oncekey_renew(p_client text, p_scope text, p_key text, p_token bytea, p_lease_ms integer)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  t timestamptz := clock_timestamp();
BEGIN
  UPDATE idempotency_keys
    SET lease_until = t + p_lease_ms * interval '1 millisecond', lease_ms = p_lease_ms
    WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'in_progress';
  RETURN FOUND;
END $$;

-- From now on the outcome is unknown unless the key is completed.
CREATE OR REPLACE FUNCTION oncekey_dispatch(p_client text, p_scope text, p_key text, p_token bytea)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  t timestamptz := clock_timestamp();
BEGIN
  UPDATE idempotency_keys
    SET dispatched_at = coalesce(dispatched_at, t), expires_at = 'infinity'
    WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'in_progress';
  RETURN FOUND;
END $$;

-- true: the response is stored, now or by the same call before; false also if the outcome was resolved by another party.
-- Only a dispatched record gets its time to live here; the others have theirs from the claim, so that completing them is a
-- HOT update.
CREATE OR REPLACE FUNCTION oncekey_complete(
  p_client text, p_scope text, p_key text, p_token bytea, p_status smallint, p_headers text, p_body bytea,
  p_ttl_ms bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  ends timestamptz := clock_timestamp() + p_ttl_ms * interval '1 millisecond';
BEGIN
  UPDATE idempotency_keys
    SET state = 'completed', status = p_status, headers = p_headers, body = p_body,
        expires_at = CASE WHEN dispatched_at IS NULL THEN expires_at ELSE ends END
    WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'in_progress';
  RETURN FOUND OR EXISTS (
    SELECT FROM idempotency_keys
      WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'completed'
        AND resolved_by IS NULL);
END $$;

-- p_outcome: 'not_executed' frees the key; 'unknown' holds it, for p_reason, until the outcome is resolved.
CREATE OR REPLACE FUNCTION oncekey_release(
  p_client text, p_scope text, p_key text, p_token bytea, p_outcome text, p_reason text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  t timestamptz := clock_timestamp();
BEGIN
  IF p_outcome = 'not_executed' THEN
    DELETE FROM idempotency_keys
      WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'in_progress';
  ELSE
    UPDATE idempotency_keys
      SET state = 'unknown', reason = p_reason, unknown_at = t, expires_at = 'infinity'
      WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'in_progress';
  END IF;
  RETURN FOUND;
END $$;
