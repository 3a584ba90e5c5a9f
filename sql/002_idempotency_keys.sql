-- The Postgres idempotency store: a record for each key and one function for each verb of the store.
-- Every function is one atomic step and answers with words. They are meant to be called from a statement of its
-- own at READ COMMITTED, where each query inside sees what was committed before it began.
CREATE TABLE idempotency_keys (
  client      text COLLATE "C" NOT NULL,
  -- Method and route, for example 'POST /orders'.
  scope       text COLLATE "C" NOT NULL,
  key         text COLLATE "C" NOT NULL,
  -- SHA-256 over method, request target and body.
  fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
  state       text NOT NULL CHECK (state IN ('in_progress', 'completed', 'unknown')),
  -- Of the attempt that holds or last held the key: fences every later verb.
  token       bytea NOT NULL CHECK (octet_length(token) = 16),
  -- More than 1 after a takeover.
  attempt     integer NOT NULL CHECK (attempt >= 1),
  lease_until timestamptz NOT NULL,
  -- From then on the record counts as absent. Set by the claim and left alone by complete, so that completing is
  -- a HOT update.
  expires_at  timestamptz NOT NULL,
  status      smallint CHECK (status BETWEEN 100 AND 599),
  -- A JSON object of the headers that are replayed.
  headers     text,
  body        bytea,
  PRIMARY KEY (client, scope, key),
  CHECK ((state = 'completed') = (status IS NOT NULL AND headers IS NOT NULL AND body IS NOT NULL))
) WITH (fillfactor = 70);

CREATE INDEX idempotency_keys_expires_at ON idempotency_keys (expires_at);

-- outcome: acquired (attempt) | replay (status, headers, body) | mismatch | in_progress (wait_ms) | unknown
CREATE FUNCTION oncekey_claim(
  p_client text, p_scope text, p_key text, p_fingerprint bytea, p_token bytea, p_lease_ms integer, p_ttl_ms bigint,
  OUT outcome text, OUT attempt integer, OUT wait_ms integer, OUT status smallint, OUT headers text, OUT body bytea
) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  k idempotency_keys;
  t timestamptz;
  lease interval := make_interval(secs => p_lease_ms / 1000.0);
  ttl interval := make_interval(secs => p_ttl_ms / 1000.0);
BEGIN
  -- Each turn but the last lost a race against another claim; whoever won it has made progress.
  FOR turn IN 1..20 LOOP
    SELECT * INTO k FROM idempotency_keys
      WHERE client = p_client AND scope = p_scope AND key = p_key;
    IF NOT FOUND THEN
      t := clock_timestamp();
      INSERT INTO idempotency_keys (client, scope, key, fingerprint, state, token, attempt, lease_until, expires_at)
        VALUES (p_client, p_scope, p_key, p_fingerprint, 'in_progress', p_token, 1, t + lease, t + ttl)
        ON CONFLICT DO NOTHING;
      IF FOUND THEN
        outcome := 'acquired'; attempt := 1;
        RETURN;
      END IF;
      CONTINUE;
    END IF;

    t := clock_timestamp();
    IF k.expires_at <= t AND (k.state <> 'in_progress' OR k.lease_until <= t) THEN
      UPDATE idempotency_keys
        SET fingerprint = p_fingerprint, state = 'in_progress', token = p_token, attempt = 1,
            lease_until = t + lease, expires_at = t + ttl, status = NULL, headers = NULL, body = NULL
        WHERE client = p_client AND scope = p_scope AND key = p_key AND token = k.token AND state = k.state
          AND lease_until = k.lease_until;
      IF FOUND THEN
        outcome := 'acquired'; attempt := 1;
        RETURN;
      END IF;
      CONTINUE;
    END IF;

    IF k.fingerprint <> p_fingerprint THEN
      outcome := 'mismatch';
      RETURN;
    ELSIF k.state = 'completed' THEN
      outcome := 'replay'; status := k.status; headers := k.headers; body := k.body;
      RETURN;
    ELSIF k.state = 'unknown' THEN
      outcome := 'unknown';
      RETURN;
    ELSIF k.token = p_token THEN
      -- The same claim asked again: its first answer was lost on the way.
      outcome := 'acquired'; attempt := k.attempt;
      RETURN;
    ELSIF k.lease_until > t THEN
      outcome := 'in_progress'; wait_ms := ceil(extract(epoch FROM k.lease_until - t) * 1000);
      RETURN;
    END IF;

    UPDATE idempotency_keys
      SET token = p_token, attempt = k.attempt + 1, lease_until = t + lease, expires_at = t + ttl
      WHERE client = p_client AND scope = p_scope AND key = p_key AND token = k.token AND state = 'in_progress'
        AND lease_until = k.lease_until;
    IF FOUND THEN
      outcome := 'acquired'; attempt := k.attempt + 1;
      RETURN;
    END IF;
  END LOOP;
  RAISE EXCEPTION 'the claim lost % races in a row', 20 USING ERRCODE = 'serialization_failure';
END $$;

-- true: the lease now ends p_lease_ms from now; false: the key is no longer held under this token.
CREATE FUNCTION oncekey_renew(p_client text, p_scope text, p_key text, p_token bytea, p_lease_ms integer)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE idempotency_keys SET lease_until = clock_timestamp() + make_interval(secs => p_lease_ms / 1000.0)
    WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'in_progress';
  RETURN FOUND;
END $$;

-- true: the answer is recorded, now or by the same call before; false: another attempt has taken over.
CREATE FUNCTION oncekey_complete(
  p_client text, p_scope text, p_key text, p_token bytea, p_status smallint, p_headers text, p_body bytea
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  UPDATE idempotency_keys SET state = 'completed', status = p_status, headers = p_headers, body = p_body
    WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'in_progress';
  RETURN FOUND OR EXISTS (
    SELECT FROM idempotency_keys
      WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'completed');
END $$;

-- p_outcome 'nothing happened' frees the key, 'unknown' holds it until somebody resolves it.
-- true: done; false: the key is no longer held under this token.
CREATE FUNCTION oncekey_release(p_client text, p_scope text, p_key text, p_token bytea, p_outcome text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF p_outcome = 'nothing happened' THEN
    DELETE FROM idempotency_keys
      WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'in_progress';
  ELSE
    UPDATE idempotency_keys SET state = 'unknown'
      WHERE client = p_client AND scope = p_scope AND key = p_key AND token = p_token AND state = 'in_progress';
  END IF;
  RETURN FOUND;
END $$;
