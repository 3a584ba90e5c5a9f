-- The steps of payments for many of one shard.
CREATE OR REPLACE FUNCTION oncekey_payment_begin_all(p_client text, p_rows text, p_settle_ms integer)
RETURNS TABLE (n integer, outcome text, payment_id uuid, attempt_no integer, made_at timestamptz, wait_ms integer,
  is_unknown boolean, status smallint, body bytea) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  r record;
  b record;
BEGIN
  FOR r IN SELECT a.* FROM json_to_recordset(p_rows::json) AS a(n integer, client text, scope text, key text,
    fingerprint text, id uuid, amount numeric, currency text, user_id text, description text, payment_method text,
    metadata text, gateway_key text, created_at timestamptz, request_id text)
  LOOP
    b := oncekey_payment_begin(r.client, r.scope, r.key, decode(r.fingerprint, 'hex'), r.id, r.amount, r.currency,
      r.user_id, r.description, r.payment_method, r.metadata, r.gateway_key, r.created_at, r.request_id, p_settle_ms);
    n := r.n; outcome := b.outcome; payment_id := b.payment_id; attempt_no := b.attempt_no; made_at := b.made_at;
    wait_ms := b.wait_ms; is_unknown := b.is_unknown; status := b.status; body := b.body;
    RETURN NEXT;
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION oncekey_payment_settle_all(p_client text, p_rows text)
RETURNS TABLE (n integer, done boolean) LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  FOR r IN SELECT a.*, a.by AS known_by FROM json_to_recordset(p_rows::json) AS a(n integer, client text, id uuid, attempt integer,
    request_id text, state text, charge_id text, event text, by text, reason text, status smallint, body text)
  LOOP
    n := r.n;
    done := oncekey_payment_settle(r.client, r.id, r.attempt, r.state, r.charge_id, r.status,
      decode(r.body, 'base64'), r.event, r.known_by, r.reason, r.request_id);
    RETURN NEXT;
  END LOOP;
END $$;

-- Looks at all shards, and then takes one payment after the other: what another node has taken meanwhile is waited for and
-- left out.
CREATE OR REPLACE FUNCTION oncekey_payment_take_due(
  p_limit integer, p_lease_ms double precision, p_expiry_ms double precision, p_put_back_ms double precision
) RETURNS TABLE (client text, id uuid, scope text, idempotency_key text, state text, amount text, currency text,
  user_id text, description text, payment_method text, metadata text, gateway_key text, created_at timestamptz,
  attempt integer, checks integer, expired boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  d record;
  t timestamptz := clock_timestamp();
  put_back timestamptz := t + p_put_back_ms * interval '1 millisecond';
  lease timestamptz := t + p_lease_ms * interval '1 millisecond';
  long_ago timestamptz := t - p_expiry_ms * interval '1 millisecond';
BEGIN
  FOR d IN SELECT found.client, found.id FROM (
    SELECT p.client, p.id, p.check_at FROM payments AS p
      WHERE (p.check_at <= t AND p.lease_until <= t) OR p.check_at > put_back
      ORDER BY p.check_at LIMIT p_limit) AS found ORDER BY found.client, found.id
  LOOP
    RETURN QUERY UPDATE payments AS p
      SET attempt = p.attempt + 1, checks = p.checks + 1, lease_until = lease, lease_ms = p_lease_ms,
        check_at = lease
      WHERE p.client = d.client AND p.id = d.id
        AND ((p.check_at <= t AND p.lease_until <= t) OR p.check_at > put_back)
      RETURNING p.client, p.id, p.scope, p.idempotency_key, p.state, trim_scale(p.amount)::text, p.currency, p.user_id,
        p.description, p.payment_method, p.metadata, p.gateway_key, p.created_at, p.attempt, p.checks,
        p.sent_at <= long_ago;
  END LOOP;
END $$;
