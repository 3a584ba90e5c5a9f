-- Payments: a state machine with one function for each step. No transaction is open while the gateway is asked: each
-- step is one autocommit statement, and each writes its entry of the audit trail with it. The attempt number fences:
-- a step of an attempt that another one has followed changes nothing and says so. All times are the database's clock.
CREATE TABLE payments (
  client          text COLLATE "C" NOT NULL CHECK (client ~ '^[A-Za-z0-9._-]{1,64}$'),
  -- The transaction id. UUIDv7: ordered by time.
  id              uuid NOT NULL,
  -- Method and route that it came by, for example 'POST /api/v1/payments'.
  scope           text COLLATE "C" NOT NULL,
  idempotency_key text COLLATE "C" NOT NULL CHECK (octet_length(idempotency_key) BETWEEN 1 AND 255),
  -- SHA-256 over method, request target and body.
  fingerprint     bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  -- unknown: the gateway did not say for a day; it is asked on, more slowly.
  state           text NOT NULL CHECK (state IN ('processing', 'completed', 'declined', 'unknown')),
  -- Who works on it now, or did last: one more with each that takes it over.
  attempt         integer NOT NULL CHECK (attempt >= 1),
  -- The attempt has the payment to itself until then.
  lease_until     timestamptz NOT NULL,
  -- A charge may have left for the gateway from here on: written before its first byte.
  sent_at         timestamptz NOT NULL,
  -- When somebody should ask the gateway next; null once it is known.
  check_at        timestamptz,
  -- How often the completer has asked.
  checks          integer NOT NULL DEFAULT 0,
  -- At most 15 significant digits; the decimals of the currency, 4 at most.
  amount          numeric(19, 4) NOT NULL CHECK (amount > 0),
  -- ISO 4217; null where the route has none.
  currency        text CHECK (currency ~ '^[A-Z]{3}$'),
  user_id         text CHECK (char_length(user_id) BETWEEN 1 AND 255),
  description     text CHECK (char_length(description) BETWEEN 1 AND 255),
  -- Masked: the whole is nowhere, which is why nobody but the partner's retry can charge.
  payment_method  text CHECK (payment_method ~ '^[*]{4}.{0,4}$'),
  -- A JSON object as text.
  metadata        text,
  -- What the gateway knows the charge by: SHA-256 over client, scope and key.
  gateway_key     text COLLATE "C" NOT NULL CHECK (gateway_key ~ '^[0-9a-f]{64}$'),
  -- What the gateway calls it.
  charge_id       text CHECK (char_length(charge_id) BETWEEN 1 AND 255),
  answer_status   smallint CHECK (answer_status BETWEEN 200 AND 499),
  -- The bytes that were answered.
  answer_body     bytea,
  created_at      timestamptz(3) NOT NULL,
  settled_at      timestamptz(3),
  PRIMARY KEY (client, id),
  CONSTRAINT payments_once UNIQUE (client, scope, idempotency_key),
  CHECK ((state IN ('completed', 'declined'))
    = (answer_status IS NOT NULL AND answer_body IS NOT NULL AND settled_at IS NOT NULL)),
  CHECK ((state IN ('completed', 'declined')) = (check_at IS NULL)),
  CHECK (state <> 'completed' OR charge_id IS NOT NULL)
);

-- Only those that are not settled: what the completer looks at is as small as its work.
CREATE INDEX payments_check_at ON payments (check_at) WHERE check_at IS NOT NULL;

-- Writes an entry about the payment. The caller holds oncekey_audit_lock. p_more: further members.
CREATE FUNCTION oncekey_payment_audit(p payments, p_event text, p_request_id text, p_more json)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  entry json := json_strip_nulls(json_build_object(
    'transaction_id', p.id, 'attempt', p.attempt, 'scope', p.scope, 'idempotency_key', p.idempotency_key,
    'amount', trim_scale(p.amount), 'currency', p.currency, 'user_id', p.user_id,
    'payment_method', p.payment_method, 'request_id', p_request_id,
    'status', p_more->>'status', 'charge_id', p_more->>'charge_id', 'by', p_more->>'by',
    'reason', p_more->>'reason'));
BEGIN
  PERFORM oncekey_audit(p.client, p_event, entry::text);
END $$;

-- Takes the key for this request, or tells what is there.
-- outcome: begun             it is new, this is attempt 1, and a charge may leave now
--        | taken_over        an earlier attempt left it open: ask the gateway before anything else. wait_ms: until
--                            its charge must have shown; before that nothing may be charged again
--        | in_progress       another attempt works on it, for wait_ms at most
--        | settled           status and body are its answer
--        | mismatch          the key stands for another request
CREATE FUNCTION oncekey_payment_begin(
  p_client text, p_scope text, p_key text, p_fingerprint bytea, p_id uuid, p_amount numeric, p_currency text,
  p_user_id text, p_description text, p_payment_method text, p_metadata text, p_gateway_key text,
  p_created_at timestamptz, p_request_id text, p_settle_ms integer,
  OUT outcome text, OUT payment_id uuid, OUT attempt_no integer, OUT made_at timestamptz, OUT wait_ms integer,
  OUT is_unknown boolean, OUT status smallint, OUT body bytea
) LANGUAGE plpgsql AS $$
DECLARE
  p payments;
  t timestamptz;
  settle interval := make_interval(secs => p_settle_ms / 1000.0);
BEGIN
  SELECT * INTO p FROM payments WHERE client = p_client AND scope = p_scope AND idempotency_key = p_key;
  -- What is only read needs no place in the audit trail: copies of a request do not queue behind each other for it.
  IF NOT FOUND OR (p.check_at IS NOT NULL AND p.fingerprint = p_fingerprint
      AND (p.id = p_id OR p.lease_until <= clock_timestamp())) THEN
    PERFORM oncekey_audit_lock(p_client);
    t := clock_timestamp();
    INSERT INTO payments (client, id, scope, idempotency_key, fingerprint, state, attempt, lease_until, sent_at,
        check_at, amount, currency, user_id, description, payment_method, metadata, gateway_key, created_at)
      VALUES (p_client, p_id, p_scope, p_key, p_fingerprint, 'processing', 1, t + settle, t, t + settle, p_amount,
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
  END IF;

  t := clock_timestamp();
  payment_id := p.id; attempt_no := p.attempt; made_at := p.created_at; is_unknown := p.state = 'unknown';
  IF p.fingerprint <> p_fingerprint THEN
    outcome := 'mismatch';
  ELSIF p.state IN ('completed', 'declined') THEN
    outcome := 'settled'; status := p.answer_status; body := p.answer_body;
  ELSIF p.id = p_id AND p.attempt = 1 THEN
    -- The same begin asked again: its first answer was lost on the way.
    outcome := 'begun'; wait_ms := 0;
  ELSIF p.lease_until > t THEN
    outcome := 'in_progress'; wait_ms := ceil(extract(epoch FROM p.lease_until - t) * 1000);
  ELSE
    UPDATE payments SET attempt = p.attempt + 1, lease_until = t + settle, check_at = t + settle
      WHERE client = p_client AND id = p.id RETURNING * INTO p;
    PERFORM oncekey_payment_audit(p, 'payment.attempted', p_request_id, '{"reason":"taken over"}');
    outcome := 'taken_over'; attempt_no := p.attempt;
    wait_ms := greatest(0, ceil(extract(epoch FROM p.sent_at + settle - t) * 1000));
  END IF;
END $$;

-- true: a charge may leave now, and the attempt has the payment to itself for as long as it takes to show.
CREATE FUNCTION oncekey_payment_send_again(
  p_client text, p_id uuid, p_attempt integer, p_settle_ms integer, p_request_id text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  p payments;
  t timestamptz;
  settle interval := make_interval(secs => p_settle_ms / 1000.0);
BEGIN
  PERFORM oncekey_audit_lock(p_client);
  t := clock_timestamp();
  UPDATE payments SET sent_at = t, lease_until = t + settle, check_at = t + settle
    WHERE client = p_client AND id = p_id AND attempt = p_attempt AND state IN ('processing', 'unknown')
    RETURNING * INTO p;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  PERFORM oncekey_payment_audit(p, 'payment.attempted', p_request_id, '{"reason":"sent again"}');
  RETURN true;
END $$;

-- true: the outcome and its answer are recorded, now or by the same call before; false: another attempt has taken over.
CREATE FUNCTION oncekey_payment_settle(
  p_client text, p_id uuid, p_attempt integer, p_state text, p_charge_id text, p_status smallint, p_body bytea,
  p_event text, p_by text, p_reason text, p_request_id text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  p payments;
BEGIN
  PERFORM oncekey_audit_lock(p_client);
  UPDATE payments
    SET state = p_state, charge_id = p_charge_id, answer_status = p_status, answer_body = p_body, check_at = NULL,
        settled_at = clock_timestamp(), lease_until = clock_timestamp()
    WHERE client = p_client AND id = p_id AND attempt = p_attempt AND state IN ('processing', 'unknown')
    RETURNING * INTO p;
  IF FOUND THEN
    PERFORM oncekey_payment_audit(p, p_event, p_request_id, json_build_object(
      'status', p_state, 'charge_id', p_charge_id, 'by', p_by, 'reason', p_reason));
    RETURN true;
  END IF;
  RETURN EXISTS (
    SELECT FROM payments
      WHERE client = p_client AND id = p_id AND attempt = p_attempt AND state = p_state AND answer_body = p_body);
END $$;

-- The attempt ends without knowing: whoever comes next may take over at once, and the gateway is asked after
-- p_check_ms. p_state: 'processing', or 'unknown' after a day without an answer. p_reason: null for an ask in the
-- background that changed nothing, which leaves no entry. true: done; false: another attempt has taken over.
CREATE FUNCTION oncekey_payment_let_go(
  p_client text, p_id uuid, p_attempt integer, p_state text, p_check_ms integer, p_reason text, p_by text,
  p_request_id text
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  p payments;
  t timestamptz := clock_timestamp();
BEGIN
  IF p_reason IS NOT NULL THEN
    PERFORM oncekey_audit_lock(p_client);
  END IF;
  UPDATE payments SET state = p_state, lease_until = t, check_at = t + make_interval(secs => p_check_ms / 1000.0)
    WHERE client = p_client AND id = p_id AND attempt = p_attempt AND state IN ('processing', 'unknown')
    RETURNING * INTO p;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  IF p_reason IS NOT NULL THEN
    PERFORM oncekey_payment_audit(p, 'payment.unknown', p_request_id,
      json_build_object('by', p_by, 'reason', p_reason));
  END IF;
  RETURN true;
END $$;

-- Nothing has left for the gateway, for certain: the key is free again. Only attempt 1 can know that.
-- true: done, now or by the same call before; false: another attempt has taken over.
CREATE FUNCTION oncekey_payment_abandon(p_client text, p_id uuid, p_reason text, p_request_id text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  p payments;
BEGIN
  PERFORM oncekey_audit_lock(p_client);
  DELETE FROM payments WHERE client = p_client AND id = p_id AND attempt = 1 AND state = 'processing'
    RETURNING * INTO p;
  IF FOUND THEN
    PERFORM oncekey_payment_audit(p, 'payment.abandoned', p_request_id, json_build_object('reason', p_reason));
    RETURN true;
  END IF;
  RETURN NOT EXISTS (SELECT FROM payments WHERE client = p_client AND id = p_id);
END $$;
