-- Removes up to p_limit records whose time is over, and returns how many. Any number of sessions may do so at once: each
-- takes rows that no other has.
CREATE OR REPLACE FUNCTION oncekey_sweep(p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  removed integer;
BEGIN
  WITH over AS MATERIALIZED (
    SELECT client, scope, key FROM idempotency_keys
    WHERE expires_at <= now() AND (state <> 'in_progress' OR lease_until <= now())
    ORDER BY expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
  DELETE FROM idempotency_keys AS k USING over
    WHERE k.client = over.client AND k.scope = over.scope AND k.key = over.key;
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed;
END $$;
