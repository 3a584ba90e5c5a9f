-- Takes the key for this request, or returns what is there.
-- outcome: begun        it is new, this is attempt 1, and a charge may be sent now
--        | taken_over   an earlier attempt left it open: the gateway must be asked first. wait_ms: until its charge must
--                       be visible at the gateway; before that nothing may be charged again
--        | in_progress  another attempt has it, for wait_ms at most
--        | settled      status and body are its response
--        | mismatch     the key stands for another request
CREATE OR REPLACE FUNCTION oncekey_payment_begin(
  p_client text, p_scope text, p_key text, p_fingerprint bytea, p_id uuid, p_amount numeric, p_currency text,
  p_user_id text, p_description text, p_payment_method text, p_metadata text, p_gateway_key text,
  p_created_at timestamptz, p_request_id text, p_settle_ms integer,
  OUT outcome text, OUT payment_id uuid, OUT attempt_no integer, OUT made_at timestamptz, OUT wait_ms integer,
  OUT is_unknown boolean, OUT status smallint, OUT body bytea
) LANGUAGE plpgsql AS $$
DECLARE
  p payments;
  t timestamptz;
  settle interval := p_settle_ms * interval '1 millisecond';
  -- Of rows of a version before. No lease is longer: GATEWAY_TIMEOUT is at most 120 s, and 5 s come on top.
  longest_lease_ms CONSTANT integer := 130000;
  lease interval;
BEGIN
  SELECT * INTO p FROM payments WHERE client = p_client AND scope = p_scope AND idempotency_key = p_key;
  lease := coalesce(p.lease_ms, longest_lease_ms) * interval '1 millisecond';
  -- A request that only reads takes no lock of the audit trail: copies of a request do not wait for each other.
  IF NOT FOUND OR (p.check_at IS NOT NULL AND p.fingerprint = p_fingerprint
      AND (p.id = p_id OR p.lease_until <= clock_timestamp() OR p.sent_at > clock_timestamp()
        OR p.lease_until > clock_timestamp() + lease)) THEN
    PERFORM oncekey_audit_lock(p_client);
    t := clock_timestamp();
    INSERT INTO payments (client, id, scope, idempotency_key, fingerprint, state, attempt, lease_until, lease_ms,
        sent_at, check_at, amount, currency, user_id, description, payment_method, metadata, gateway_key, created_at)
      VALUES (p_client, p_id, p_scope, p_key, p_fingerprint, 'processing', 1, t + settle, p_settle_ms, t, t + settle, p_amount,
        p_currency, p_user_id, p_description, p_payment_method, p_metadata, p_gateway_key, p_created_at)
      ON CONFLICT (client, scope, idempotency_key) DO NOTHING RETURNING * INTO p;
    IF FOUND THEN
      PERFORM oncekey_payment_audit(p, 'payment.attempted', p_request_id, '{}');
      outcome := 'begun'; payment_id := p.id; attempt_no := 1; made_at := p.created_at; wait_ms := 0;
      is_unknown := false;
      RETURN;
    END IF;
    SELECT * INTO p FROM payments
      WHERE client = p_client AND scope = p_scope AND idempotency_key = p_key FOR UPDATE;
    t := clock_timestamp();
    lease := coalesce(p.lease_ms, longest_lease_ms) * interval '1 millisecond';
    -- The clock was put back since: a charge has left by now, and what remains of the lease is not more than all of it.
    IF p.check_at IS NOT NULL AND (p.sent_at > t OR p.lease_until > t + lease) THEN
      UPDATE payments SET sent_at = least(sent_at, t), lease_until = least(lease_until, t + lease),
          check_at = check_at - (lease_until - least(lease_until, t + lease))
        WHERE client = p_client AND id = p.id RETURNING * INTO p;
    END IF;
  END IF;

  t := clock_timestamp();
  payment_id := p.id; attempt_no := p.attempt; made_at := p.created_at; is_unknown := p.state = 'unknown';
  IF p.fingerprint <> p_fingerprint THEN
    outcome := 'mismatch';
  ELSIF p.state IN ('completed', 'declined') THEN
    outcome := 'settled'; status := p.response_status; body := p.response_body;
  ELSIF p.id = p_id AND p.attempt = 1 THEN
    -- The same begin, sent again because its first result was lost.
    outcome := 'begun'; wait_ms := 0;
  ELSIF p.lease_until > t THEN
    outcome := 'in_progress'; wait_ms := ceil(extract(epoch FROM p.lease_until - t) * 1000);
  ELSE
    UPDATE payments SET attempt = p.attempt + 1, lease_until = t + settle, lease_ms = p_settle_ms, check_at = t + settle
      WHERE client = p_client AND id = p.id RETURNING * INTO p;
    PERFORM oncekey_payment_audit(p, 'payment.attempted', p_request_id, '{"reason":"taken over"}');
    outcome := 'taken_over'; attempt_no := p.attempt;
    wait_ms := greatest(0, ceil(extract(epoch FROM p.sent_at + settle - t) * 1000));
  END IF;
END $$;
