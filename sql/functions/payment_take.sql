-- Takes payments whose time to be asked about has come, each by a new attempt that fences the one before. What another
-- session is just taking is left to it, without a wait. p_put_back_ms: none is to be asked about as late as that.
CREATE OR REPLACE FUNCTION oncekey_payment_take_due(
  p_limit integer, p_lease_ms double precision, p_expiry_ms double precision, p_put_back_ms double precision
) RETURNS TABLE (client text, id uuid, scope text, idempotency_key text, state text, amount text, currency text,
  user_id text, description text, payment_method text, metadata text, gateway_key text, created_at timestamptz,
  attempt integer, checks integer, expired boolean)
LANGUAGE sql AS $$
  WITH due AS MATERIALIZED (
    SELECT client, id FROM payments
    WHERE (check_at <= clock_timestamp() AND lease_until <= clock_timestamp())
      OR check_at > clock_timestamp() + p_put_back_ms * interval '1 millisecond'
    ORDER BY check_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
  UPDATE payments AS p
  SET attempt = p.attempt + 1, checks = p.checks + 1,
    lease_until = clock_timestamp() + p_lease_ms * interval '1 millisecond', lease_ms = p_lease_ms,
    check_at = clock_timestamp() + p_lease_ms * interval '1 millisecond'
  FROM due WHERE p.client = due.client AND p.id = due.id
  RETURNING p.client, p.id, p.scope, p.idempotency_key, p.state, trim_scale(p.amount)::text, p.currency, p.user_id,
    p.description, p.payment_method, p.metadata, p.gateway_key, p.created_at, p.attempt, p.checks,
    p.sent_at <= clock_timestamp() - p_expiry_ms * interval '1 millisecond'
$$;
