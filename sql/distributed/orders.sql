-- Functions of a database that is distributed by client ("oncekey migrate --distribute"). Those that take many rows in one
-- call get rows of one shard alone; p_client is the client of any of them, and Citus runs the function where that shard is.

-- Places orders as the statement in internal/orders/place-orders.ts does. Returns only the rows that were not placed, each
-- with the order that is there, or with NULL: a record of the key stands in the way.
-- Citus plans each statement anew: a statement for all rows costs about as much as seven for one row each.
CREATE OR REPLACE FUNCTION oncekey_place_orders(p_client text, p_rows text, p_records_of text)
RETURNS TABLE (n integer, id uuid, fingerprint text, status smallint, body text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  r record;
  clients text[];
  keys text[];
  refused integer[] := '{}';
  placed uuid[] := '{}';
  t timestamptz := clock_timestamp();
BEGIN
  SELECT array_agg(DISTINCT a.client), array_agg(a.key) INTO clients, keys
    FROM json_to_recordset(p_rows::json) AS a(client text, key text);
  IF p_records_of IS NOT NULL THEN
    FOR r IN SELECT k.client, k.key, k.state, encode(k.fingerprint, 'hex') AS fingerprint FROM idempotency_keys AS k
      WHERE k.client = ANY (clients) AND k.scope = p_records_of AND k.key = ANY (keys)
        AND (k.expires_at > t OR (k.state = 'in_progress' AND k.lease_until > t))
    LOOP
      refused := refused || (SELECT array_agg(a.n) FROM json_to_recordset(p_rows::json)
        AS a(n integer, client text, key text, fingerprint text)
        WHERE a.client = r.client AND a.key = r.key AND (r.state <> 'in_progress' OR a.fingerprint <> r.fingerprint));
    END LOOP;
  END IF;
  IF cardinality(keys) < 7 THEN
    FOR r IN SELECT a.* FROM json_to_recordset(p_rows::json) AS a(n integer, client text, id uuid, key text,
      fingerprint text, user_id text, item text, amount numeric, status smallint, body text, created_at timestamptz)
      WHERE a.n <> ALL (refused)
    LOOP
      INSERT INTO orders (client, id, idempotency_key, fingerprint, user_id, item, amount, response_status,
          response_body, created_at)
        VALUES (r.client, r.id, r.key, decode(r.fingerprint, 'hex'), r.user_id, r.item, r.amount, r.status,
          convert_to(r.body, 'UTF8'), r.created_at)
        ON CONFLICT (client, idempotency_key) DO NOTHING;
      IF FOUND THEN
        placed := placed || r.id;
      END IF;
    END LOOP;
  ELSE
    FOR r IN INSERT INTO orders (client, id, idempotency_key, fingerprint, user_id, item, amount, response_status,
        response_body, created_at)
      SELECT a.client, a.id, a.key, decode(a.fingerprint, 'hex'), a.user_id, a.item, a.amount, a.status,
          convert_to(a.body, 'UTF8'), a.created_at
        FROM json_to_recordset(p_rows::json) AS a(n integer, client text, id uuid, key text,
          fingerprint text, user_id text, item text, amount numeric, status smallint, body text, created_at timestamptz)
        WHERE a.n <> ALL (refused)
      ON CONFLICT (client, idempotency_key) DO NOTHING RETURNING id
    LOOP
      placed := placed || r.id;
    END LOOP;
  END IF;
  IF cardinality(placed) = cardinality(keys) THEN
    RETURN;
  END IF;
  -- As in internal/orders/place-orders.ts.
  IF current_setting('synchronous_standby_names') <> '' THEN
    PERFORM pg_logical_emit_message(true, 'oncekey', '');
  END IF;
  FOR r IN SELECT a.n, a.client, a.key FROM json_to_recordset(p_rows::json)
    AS a(n integer, client text, id uuid, key text) WHERE a.id <> ALL (placed)
  LOOP
    n := r.n; id := NULL; fingerprint := NULL; status := NULL; body := NULL;
    SELECT o.id, encode(o.fingerprint, 'hex'), o.response_status, convert_from(o.response_body, 'UTF8')
      INTO id, fingerprint, status, body
      FROM orders AS o WHERE o.client = r.client AND o.idempotency_key = r.key;
    RETURN NEXT;
  END LOOP;
END $$;
