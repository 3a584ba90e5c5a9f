-- As the function without Citus does, where a worker has shards, one after the other until one can write: a worker that is
-- away keeps the orders of its own clients waiting, and does not make the service unready for those of the others.
CREATE OR REPLACE FUNCTION oncekey_rehearse(p_orders boolean) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  name text;
  id text;
  reason text;
  code text;
BEGIN
  FOR name IN SELECT min('oncekey-' || n) FROM generate_series(1, 100) AS n
    JOIN pg_dist_placement AS p ON p.shardid = get_shard_id_for_distribution_column('orders', 'oncekey-' || n)
    GROUP BY p.groupid ORDER BY random()
  LOOP
    BEGIN
      id := gen_random_uuid();
      INSERT INTO idempotency_keys (client, scope, key, fingerprint, state, token, attempt, lease_until, expires_at)
        VALUES (name, id, id, sha256(''), 'in_progress', decode(repeat('00', 16), 'hex'), 1, now(), now());
      IF p_orders THEN
        INSERT INTO orders (client, id, idempotency_key, fingerprint, user_id, item, amount, response_status,
            response_body, created_at)
          VALUES (name, id::uuid, id, sha256(''), 'rehearsal', 'rehearsal', 1, 201, '', now());
      END IF;
      RAISE EXCEPTION USING ERRCODE = 'OK000';
    EXCEPTION WHEN SQLSTATE 'OK000' THEN
      RETURN true;
    WHEN OTHERS THEN
      reason := SQLERRM; code := SQLSTATE;
    END;
  END LOOP;
  RAISE EXCEPTION '%', reason USING ERRCODE = code;
END $$;
