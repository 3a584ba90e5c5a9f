-- Settles a record that is unknown under p_token: with a response (p_status, p_headers, p_body), or as not executed
-- (p_status NULL), which frees the key. The audit entry is written in the same transaction.
-- 'resolved' | 'changed': it is not unknown under this token, and nothing was changed.
CREATE OR REPLACE FUNCTION oncekey_resolve(
  p_client text, p_scope text, p_key text, p_token bytea, p_status smallint, p_headers text, p_body bytea,
  p_ttl_ms bigint, p_by text, p_event_type text, p_entry text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  t timestamptz;
BEGIN
  PERFORM oncekey_audit_lock(p_client);
  t := clock_timestamp();
  PERFORM FROM idempotency_keys
    WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token
      AND (state = 'unknown'
        OR (state = 'in_progress' AND dispatched_at IS NOT NULL AND lease_until <= t))
    FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'changed';
  END IF;
  IF p_status IS NULL THEN
    DELETE FROM idempotency_keys WHERE client = p_client AND scope = p_scope AND key = p_key;
  ELSE
    UPDATE idempotency_keys
      SET state = 'completed', status = p_status, headers = p_headers, body = p_body, resolved_by = p_by,
          expires_at = t + p_ttl_ms * interval '1 millisecond'
      WHERE client = p_client AND scope = p_scope AND key = p_key;
  END IF;
  PERFORM oncekey_audit(p_client, p_event_type, p_entry);
  RETURN 'resolved';
END $$;
