-- The steps of an attempt. Each returns false if another attempt has taken over, and has changed nothing then.

-- Writes an entry about the payment p, a row of payments, under the lock that the caller has taken with
-- oncekey_audit_lock(). p_more: further members. false, and no entry: p is empty.
CREATE OR REPLACE FUNCTION oncekey_payment_audit(p record, p_event text, p_request_id text, p_more json)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF p.id IS NULL THEN
    RETURN false;
  END IF;
  PERFORM oncekey_audit(p.client, p_event, json_strip_nulls(json_build_object(
    'transaction_id', p.id, 'attempt', p.attempt, 'scope', p.scope, 'idempotency_key', p.idempotency_key,
    'amount', trim_scale(p.amount), 'currency', p.currency, 'user_id', p.user_id,
    'payment_method', p.payment_method, 'request_id', p_request_id,
    'status', p_more->>'status', 'charge_id', p_more->>'charge_id', 'by', p_more->>'by',
    'reason', p_more->>'reason'))::text);
  RETURN true;
END $$;

-- true: a charge may be sent now, and the attempt has the payment to itself for as long as the charge takes to be visible.
CREATE OR REPLACE FUNCTION oncekey_payment_send_again(
  p_client text, p_id uuid, p_attempt integer, p_settle_ms integer, p_request_id text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  p payments;
  t timestamptz;
  settle interval := p_settle_ms * interval '1 millisecond';
BEGIN
  PERFORM oncekey_audit_lock(p_client);
  t := clock_timestamp();
  UPDATE payments SET sent_at = t, lease_until = t + settle, lease_ms = p_settle_ms, check_at = t + settle
    WHERE client = p_client AND id = p_id AND attempt = p_attempt AND state IN ('processing', 'unknown')
    RETURNING * INTO p;
  RETURN oncekey_payment_audit(p, 'payment.attempted', p_request_id, '{"reason":"sent again"}');
END $$;

-- true: the outcome and its response are stored, now or by the same call before.
CREATE OR REPLACE FUNCTION oncekey_payment_settle(
  p_client text, p_id uuid, p_attempt integer, p_state text, p_charge_id text, p_status smallint, p_body bytea,
  p_event text, p_by text, p_reason text, p_request_id text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  p payments;
  t timestamptz;
BEGIN
  PERFORM oncekey_audit_lock(p_client);
  t := clock_timestamp();
  UPDATE payments
    SET state = p_state, charge_id = p_charge_id, response_status = p_status, response_body = p_body, check_at = NULL,
        settled_at = t, lease_until = t
    WHERE client = p_client AND id = p_id AND attempt = p_attempt AND state IN ('processing', 'unknown')
    RETURNING * INTO p;
  IF oncekey_payment_audit(p, p_event, p_request_id, json_build_object(
      'status', p_state, 'charge_id', p_charge_id, 'by', p_by, 'reason', p_reason)) THEN
    INSERT INTO events (client, object, type) VALUES (p.client, p.id, 'payment.' || p_state);
    RETURN true;
  END IF;
  RETURN EXISTS (
    SELECT FROM payments
      WHERE client = p_client AND id = p_id AND attempt = p_attempt AND state = p_state AND response_body = p_body);
END $$;

-- The attempt ends without an outcome: another one may take over at once, and the gateway is asked after p_check_ms.
-- p_state: 'processing', or 'unknown' after a day. p_reason: NULL for a check that found nothing new, which writes no entry.
CREATE OR REPLACE FUNCTION oncekey_payment_leave_open(
  p_client text, p_id uuid, p_attempt integer, p_state text, p_check_ms integer, p_reason text, p_by text,
  p_request_id text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  p payments;
  was text;
  t timestamptz := clock_timestamp();
BEGIN
  IF p_reason IS NOT NULL THEN
    PERFORM oncekey_audit_lock(p_client);
  END IF;
  SELECT state INTO was FROM payments WHERE client = p_client AND id = p_id FOR UPDATE;
  UPDATE payments
    SET state = p_state, lease_until = t, lease_ms = 0, check_at = t + p_check_ms * interval '1 millisecond'
    WHERE client = p_client AND id = p_id AND attempt = p_attempt AND state IN ('processing', 'unknown')
    RETURNING * INTO p;
  IF p.state = 'unknown' AND was <> 'unknown' THEN
    INSERT INTO events (client, object, type) VALUES (p.client, p.id, 'payment.unknown');
  END IF;
  IF p_reason IS NULL THEN
    RETURN p.id IS NOT NULL;
  END IF;
  RETURN oncekey_payment_audit(p, 'payment.unknown', p_request_id, json_build_object('by', p_by, 'reason', p_reason));
END $$;

-- Certainly nothing was sent to the gateway: the key is free again. Only attempt 1 can know that.
-- true: done, now or by the same call before.
CREATE OR REPLACE FUNCTION oncekey_payment_abandon(p_client text, p_id uuid, p_reason text, p_request_id text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  p payments;
BEGIN
  PERFORM oncekey_audit_lock(p_client);
  DELETE FROM payments WHERE client = p_client AND id = p_id AND attempt = 1 AND state = 'processing'
    RETURNING * INTO p;
  IF oncekey_payment_audit(p, 'payment.abandoned', p_request_id, json_build_object('reason', p_reason)) THEN
    RETURN true;
  END IF;
  RETURN NOT EXISTS (SELECT FROM payments WHERE client = p_client AND id = p_id);
END $$;
