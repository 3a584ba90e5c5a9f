-- The verbs of the key store for many keys of one shard.
CREATE OR REPLACE FUNCTION oncekey_claim_all(p_client text, p_rows text, p_ttl_ms bigint)
RETURNS TABLE (n integer, outcome text, attempt integer, wait_ms integer, status smallint, headers text, body bytea,
  reason text, since_ms bigint, held bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  r record;
  c record;
BEGIN
  FOR r IN SELECT a.* FROM json_to_recordset(p_rows::json)
    AS a(n integer, client text, scope text, key text, fingerprint text, token text, lease_ms integer)
  LOOP
    c := oncekey_claim(r.client, r.scope, r.key, decode(r.fingerprint, 'hex'), decode(r.token, 'hex'), r.lease_ms, p_ttl_ms);
    n := r.n; outcome := c.outcome; attempt := c.attempt; wait_ms := c.wait_ms; status := c.status;
    headers := c.headers; body := c.body; reason := c.reason; since_ms := c.since_ms; held := c.held;
    RETURN NEXT;
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION oncekey_dispatch_all(p_client text, p_rows text)
RETURNS TABLE (n integer, done boolean) LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  FOR r IN SELECT a.* FROM json_to_recordset(p_rows::json)
    AS a(n integer, client text, scope text, key text, token text)
  LOOP
    n := r.n; done := oncekey_dispatch(r.client, r.scope, r.key, decode(r.token, 'hex'));
    RETURN NEXT;
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION oncekey_complete_all(p_client text, p_rows text, p_ttl_ms bigint)
RETURNS TABLE (n integer, done boolean) LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  FOR r IN SELECT a.* FROM json_to_recordset(p_rows::json)
    AS a(n integer, client text, scope text, key text, token text, status smallint, headers text, body text)
  LOOP
    n := r.n;
    done := oncekey_complete(r.client, r.scope, r.key, decode(r.token, 'hex'), r.status, r.headers,
      decode(r.body, 'base64'), p_ttl_ms);
    RETURN NEXT;
  END LOOP;
END $$;

-- Citus locks no rows of many shards for one statement: looks at all of them, and then removes client by client what is
-- still over. Another process that removes the same rows is waited for.
CREATE OR REPLACE FUNCTION oncekey_sweep(p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  r record;
  t timestamptz := now();
  removed integer;
  total integer := 0;
BEGIN
  FOR r IN
    SELECT client, array_agg(scope) AS scopes, array_agg(key) AS keys FROM (
      SELECT client, scope, key FROM idempotency_keys
        WHERE expires_at <= t AND (state <> 'in_progress' OR lease_until <= t)
        ORDER BY expires_at LIMIT p_limit) AS found
      GROUP BY client ORDER BY client
  LOOP
    DELETE FROM idempotency_keys AS k USING unnest(r.scopes, r.keys) AS o(scope, key)
      WHERE k.client = r.client AND k.scope = o.scope AND k.key = o.key
        AND k.expires_at <= t AND (k.state <> 'in_progress' OR k.lease_until <= t);
    GET DIAGNOSTICS removed = ROW_COUNT;
    total := total + removed;
  END LOOP;
  RETURN total;
END $$;

-- Imports responses as the statement in internal/idempotency/import-into-postgres.ts does.
CREATE OR REPLACE FUNCTION oncekey_import_all(p_rows text, p_by text, p_ttl_ms bigint, p_dry_run boolean)
RETURNS TABLE (n integer, outcome text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  r record;
  k idempotency_keys;
  t timestamptz := now();
BEGIN
  FOR r IN SELECT a.n, a.client, a.scope, a.key, decode(a.fingerprint, 'hex') AS fingerprint,
      decode(a.token, 'hex') AS token, a.status, a.headers, decode(a.body, 'base64') AS body,
      coalesce(a.expires_at, t + p_ttl_ms * interval '1 millisecond') AS ends
    FROM json_to_recordset(p_rows::json) AS a(n integer, client text, scope text, key text, fingerprint text, token text,
      status smallint, headers text, body text, expires_at timestamptz)
  LOOP
    n := r.n;
    SELECT * INTO k FROM idempotency_keys WHERE client = r.client AND scope = r.scope AND key = r.key;
    IF FOUND AND (k.expires_at > t OR (k.state = 'in_progress' AND k.lease_until > t)) THEN
      outcome := CASE WHEN k.state = 'completed' AND k.fingerprint = r.fingerprint AND k.status = r.status
        AND k.headers = r.headers AND k.body = r.body THEN 'same' ELSE 'other' END;
    ELSIF r.ends <= t THEN
      outcome := 'expired';
    ELSIF p_dry_run THEN
      outcome := 'imported';
    ELSE
      IF k.key IS NULL THEN
        INSERT INTO idempotency_keys (client, scope, key, fingerprint, state, token, attempt, lease_until, lease_ms,
            expires_at, status, headers, body, resolved_by)
          VALUES (r.client, r.scope, r.key, r.fingerprint, 'completed', r.token, 1, t, 0, r.ends, r.status, r.headers,
            r.body, p_by)
          ON CONFLICT DO NOTHING;
      ELSE
        UPDATE idempotency_keys
          SET fingerprint = r.fingerprint, state = 'completed', token = r.token, attempt = 1, lease_until = t,
            lease_ms = 0, expires_at = r.ends, status = r.status, headers = r.headers, body = r.body,
            dispatched_at = NULL, unknown_at = NULL, reason = NULL, resolved_by = p_by
          WHERE client = r.client AND scope = r.scope AND key = r.key AND token = k.token AND state = k.state
            AND lease_until = k.lease_until AND expires_at = k.expires_at;
      END IF;
      outcome := CASE WHEN FOUND THEN 'imported' ELSE 'other' END;
    END IF;
    RETURN NEXT;
  END LOOP;
END $$;
