-- Writes what a request writes first, and takes it back: true if it could be written, else the error that says why not.
-- p_orders: with an order; otherwise only the key, as the sidecar does.
CREATE OR REPLACE FUNCTION oncekey_rehearse(p_orders boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  name text := gen_random_uuid()::text;
BEGIN
  INSERT INTO idempotency_keys (client, scope, key, fingerprint, state, token, attempt, lease_until, expires_at)
    VALUES ('oncekey', name, name, sha256(''), 'in_progress', decode(repeat('00', 16), 'hex'), 1, now(), now());
  IF p_orders THEN
    INSERT INTO orders (client, id, idempotency_key, fingerprint, user_id, item, amount, response_status, response_body,
        created_at)
      VALUES ('oncekey', name::uuid, name, sha256(''), 'rehearsal', 'rehearsal', 1, 201, '', now());
  END IF;
  RAISE EXCEPTION USING ERRCODE = 'OK000';
EXCEPTION WHEN SQLSTATE 'OK000' THEN
  RETURN true;
END $$;
