-- 'added' | 'full' (20 are there) | 'exists' (this url is). The first event of the endpoint is the next one.
CREATE OR REPLACE FUNCTION oncekey_webhook_add(
  p_client text, p_id uuid, p_url text, p_types text, p_secret text, p_sealed bytea, p_key_id text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  free smallint;
BEGIN
  IF EXISTS (SELECT FROM webhook_endpoints WHERE client = p_client AND id = p_id) THEN
    RETURN 'added';
  END IF;
  FOR turn IN 1..25 LOOP
    SELECT n INTO free FROM generate_series(1, 20) AS n
      WHERE NOT EXISTS (SELECT FROM webhook_endpoints WHERE client = p_client AND slot = n) LIMIT 1;
    IF free IS NULL THEN
      RETURN 'full';
    END IF;
    INSERT INTO webhook_endpoints (client, id, slot, url, types, position)
      VALUES (p_client, p_id, free, p_url, p_types, oncekey_events_end(p_client)) ON CONFLICT DO NOTHING;
    IF FOUND THEN
      INSERT INTO webhook_secrets (client, endpoint, id, sealed, key_id)
        VALUES (p_client, p_id, p_secret, p_sealed, p_key_id);
      RETURN 'added';
    END IF;
    IF EXISTS (SELECT FROM webhook_endpoints WHERE client = p_client AND url = p_url) THEN
      RETURN 'exists';
    END IF;
  END LOOP;
  RETURN 'full';
END $$;

-- A new secret; the older ones sign for p_overlap_ms more. false: there is no such endpoint.
CREATE OR REPLACE FUNCTION oncekey_webhook_rotate(
  p_client text, p_id uuid, p_secret text, p_sealed bytea, p_key_id text, p_overlap_ms bigint
) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  ends timestamptz := clock_timestamp() + p_overlap_ms * interval '1 millisecond';
BEGIN
  PERFORM FROM webhook_endpoints WHERE client = p_client AND id = p_id FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  IF NOT EXISTS (SELECT FROM webhook_secrets WHERE client = p_client AND endpoint = p_id AND id = p_secret) THEN
    -- Two sign at the same time, at most.
    DELETE FROM webhook_secrets WHERE client = p_client AND endpoint = p_id AND expires_at IS NOT NULL;
    UPDATE webhook_secrets SET expires_at = ends WHERE client = p_client AND endpoint = p_id;
    INSERT INTO webhook_secrets (client, endpoint, id, sealed, key_id)
      VALUES (p_client, p_id, p_secret, p_sealed, p_key_id);
  END IF;
  RETURN true;
END $$;

-- Nothing is sent to it any more; what was to be sent has failed, and its client has an event. false: it was not enabled.
CREATE OR REPLACE FUNCTION oncekey_webhook_disable(p_client text, p_id uuid, p_reason text)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  shown jsonb;
BEGIN
  UPDATE webhook_endpoints AS e SET state = 'disabled', reason = p_reason
    WHERE client = p_client AND id = p_id AND state = 'enabled' RETURNING to_jsonb(e) INTO shown;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  UPDATE webhook_deliveries SET state = 'failed', error = 'the endpoint was disabled', lease_until = NULL,
      attempts = attempts + 1, ended_at = clock_timestamp()
    WHERE client = p_client AND endpoint = p_id AND state = 'pending';
  INSERT INTO events (client, object, type, endpoint, endpoint_row)
    VALUES (p_client, gen_random_uuid(), 'webhook_endpoint.disabled', p_id, shown);
  RETURN true;
END $$;

-- Sends what happened since p_since again, in order. NULL: nothing, only what waits, be it for its next attempt. It enables
-- the endpoint. false: there is no such endpoint.
CREATE OR REPLACE FUNCTION oncekey_webhook_replay(p_client text, p_id uuid, p_since timestamptz)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  since bigint;
  low bigint := 0;
  high bigint;
  middle bigint;
  is_before boolean;
BEGIN
  PERFORM FROM webhook_endpoints WHERE client = p_client AND id = p_id FOR UPDATE;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  -- What happened long before is not read. The id of an order is made of its time, and no order is late by 5,000 others. The place of
  -- events of an hour before is searched for by halves: events have no index by time, and a clock may have been put back.
  high := coalesce((SELECT max(position) FROM events WHERE client = p_client), 0) + 1;
  WHILE p_since IS NOT NULL AND low + 1 < high LOOP
    middle := low + (high - low) / 2;
    SELECT at < p_since - interval '1 hour' INTO is_before FROM events
      WHERE client = p_client AND position >= middle ORDER BY position, object LIMIT 1;
    IF is_before THEN
      low := middle;
    ELSE
      high := middle;
    END IF;
  END LOOP;
  SELECT min(found.position) - 1 INTO since FROM (
    SELECT min(position) AS position FROM (
      SELECT position FROM orders
        WHERE client = p_client AND position IS NOT NULL AND created_at >= p_since
          AND id >= (lpad(to_hex(greatest(0, extract(epoch FROM p_since) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
        ORDER BY id LIMIT 5000) AS first
    UNION ALL SELECT min(position) FROM events
      WHERE client = p_client AND at >= p_since AND position >= low) AS found;
  UPDATE webhook_endpoints SET state = 'enabled', reason = NULL, failing_since = NULL,
      position = least(position, since),
      object = CASE WHEN since < position THEN 'ffffffff-ffff-ffff-ffff-ffffffffffff' ELSE object END
    WHERE client = p_client AND id = p_id;
  UPDATE webhook_deliveries SET failures = 0, next_at = clock_timestamp()
    WHERE client = p_client AND endpoint = p_id AND state = 'pending'
      AND (lease_until IS NULL OR lease_until < clock_timestamp());
  RETURN true;
END $$;

-- Sends one event again, alone.
-- 'replayed' | 'gone' (there is no such endpoint) | 'disabled' (it is) | 'unknown' (the client has no such event) |
-- 'other' (the endpoint does not get it) | 'waiting' (the endpoint has not come to it yet)
CREATE OR REPLACE FUNCTION oncekey_webhook_replay_event(p_client text, p_id uuid, p_object uuid, p_type text)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  e webhook_endpoints;
  place bigint;
  happened timestamptz;
  about uuid;
BEGIN
  SELECT * INTO e FROM webhook_endpoints WHERE client = p_client AND id = p_id FOR UPDATE;
  IF NOT FOUND THEN
    RETURN 'gone';
  END IF;
  IF e.state <> 'enabled' THEN
    RETURN 'disabled';
  END IF;
  IF p_type = 'order.created' THEN
    SELECT position, created_at INTO place, happened FROM orders WHERE client = p_client AND id = p_object;
  ELSE
    -- No index has events by object. A delivery, while it is kept, has the place of its event.
    SELECT position INTO place FROM webhook_deliveries
      WHERE client = p_client AND endpoint = p_id AND object = p_object AND type = p_type;
    SELECT position, at, endpoint INTO place, happened, about FROM events
      WHERE client = p_client AND object = p_object AND type = p_type AND position = coalesce(place, position);
  END IF;
  IF place IS NULL THEN
    RETURN 'unknown';
  END IF;
  IF about = p_id OR p_type <> ALL (string_to_array(e.types, ',')) THEN
    RETURN 'other';
  END IF;
  IF (place, p_object) > (e.position, e.object) THEN
    RETURN 'waiting';
  END IF;
  INSERT INTO webhook_deliveries AS d (client, endpoint, object, type, position, at)
    VALUES (p_client, p_id, p_object, p_type, place, happened)
    ON CONFLICT (client, endpoint, object, type) DO UPDATE
    -- One that a node is sending right now stays under its lease.
    SET state = 'pending', failures = 0, ended_at = NULL,
      next_at = CASE WHEN d.lease_until > clock_timestamp() THEN d.next_at ELSE clock_timestamp() END;
  RETURN 'replayed';
END $$;

-- With its secrets and deliveries. false: there was none.
CREATE OR REPLACE FUNCTION oncekey_webhook_remove(p_client text, p_id uuid) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM webhook_endpoints WHERE client = p_client AND id = p_id;
  RETURN FOUND;
END $$;

-- Makes the deliveries of new events: at most p_limit events of an endpoint are looked at, also those that it does not get, and
-- only while fewer than p_open of its deliveries are pending. Returns of how many endpoints there may be more. Any number of nodes
-- may call it: each takes endpoints that no other has.
CREATE OR REPLACE FUNCTION oncekey_webhook_fan_out(p_limit integer, p_open integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  e record;
  last record;
  unfinished integer := 0;
BEGIN
  FOR e IN SELECT client, id FROM webhook_endpoints WHERE state = 'enabled' ORDER BY client, id LOOP
    CONTINUE WHEN NOT EXISTS (
      SELECT FROM webhook_endpoints AS w CROSS JOIN LATERAL oncekey_events_after(w.client, w.position, w.object, NULL, 1)
        WHERE w.client = e.client AND w.id = e.id);
    SELECT client, id, types, position, object INTO e FROM webhook_endpoints
      WHERE client = e.client AND id = e.id AND state = 'enabled' FOR UPDATE SKIP LOCKED;
    CONTINUE WHEN NOT FOUND;
    CONTINUE WHEN (SELECT count(*) FROM (SELECT FROM webhook_deliveries
      WHERE client = e.client AND endpoint = e.id AND state = 'pending' LIMIT p_open) AS open) >= p_open;
    WITH found AS MATERIALIZED (SELECT * FROM oncekey_events_after(e.client, e.position, e.object, NULL, p_limit)),
      made AS (
        INSERT INTO webhook_deliveries AS d (client, endpoint, object, type, position, at)
          SELECT e.client, e.id, about, kind, place, happened FROM found
          WHERE (e.types IS NULL OR kind = ANY (string_to_array(e.types, ','))) AND endpoint_id IS DISTINCT FROM e.id
          ON CONFLICT (client, endpoint, object, type) DO UPDATE
          SET state = 'pending', failures = 0, next_at = clock_timestamp(), lease_until = NULL, ended_at = NULL
          WHERE d.state <> 'pending')
      SELECT place, about, (SELECT count(*) FROM found) AS looked_at INTO last FROM found ORDER BY place DESC, about DESC LIMIT 1;
    CONTINUE WHEN last.place IS NULL;
    UPDATE webhook_endpoints SET position = last.place, object = last.about WHERE client = e.client AND id = e.id;
    unfinished := unfinished + (last.looked_at >= p_limit)::integer;
  END LOOP;
  RETURN unfinished;
END $$;

-- Takes deliveries that are due: p_each of an endpoint, one of an endpoint that fails, none of those in p_busy, p_limit in
-- all. A later event about the same object waits until the earlier one was tried since it was made or replayed. Any number
-- of nodes may call it.
CREATE OR REPLACE FUNCTION oncekey_webhook_take(p_busy text, p_each integer, p_limit integer, p_lease_ms integer)
RETURNS SETOF webhook_deliveries LANGUAGE plpgsql AS $$
DECLARE
  t timestamptz := clock_timestamp();
BEGIN
  RETURN QUERY
    WITH due AS MATERIALIZED (
      SELECT d.client, d.endpoint, d.object, d.type
      FROM webhook_endpoints AS e CROSS JOIN LATERAL (
        SELECT p.client, p.endpoint, p.object, p.type FROM webhook_deliveries AS p
        WHERE p.client = e.client AND p.endpoint = e.id AND p.state = 'pending' AND p.next_at <= t
          AND NOT EXISTS (SELECT FROM webhook_deliveries AS o
            WHERE o.client = p.client AND o.endpoint = p.endpoint AND o.object = p.object AND o.position < p.position
              AND o.state = 'pending' AND (o.failures = 0 OR o.lease_until > t))
        ORDER BY p.next_at, p.position LIMIT CASE WHEN e.failing_since IS NULL THEN p_each ELSE 1 END
        FOR UPDATE SKIP LOCKED) AS d
      WHERE e.state = 'enabled' AND e.id::text <> ALL (string_to_array(p_busy, ','))
      ORDER BY e.failing_since IS NOT NULL LIMIT p_limit)
    UPDATE webhook_deliveries AS d
      SET attempts = d.attempts + 1, next_at = t + p_lease_ms * interval '1 millisecond',
        lease_until = t + p_lease_ms * interval '1 millisecond'
      FROM due WHERE d.client = due.client AND d.endpoint = due.endpoint AND d.object = due.object AND d.type = due.type
      RETURNING d.*;
END $$;

-- What became of an attempt. p_next_ms: when to try again; NULL: not any more. p_gone: the endpoint wants no more.
-- 'stale': another attempt has followed, nothing was changed | 'delivered' | 'retry' | 'failed' | 'disabled'
CREATE OR REPLACE FUNCTION oncekey_webhook_settle(
  p_client text, p_endpoint uuid, p_object uuid, p_type text, p_attempt integer, p_delivered boolean, p_status smallint,
  p_response text, p_error text, p_next_ms bigint, p_gone boolean, p_give_up_ms bigint
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  t timestamptz := clock_timestamp();
  since timestamptz;
BEGIN
  SELECT failing_since INTO since FROM webhook_endpoints WHERE client = p_client AND id = p_endpoint FOR UPDATE;
  UPDATE webhook_deliveries
    SET state = CASE WHEN p_delivered THEN 'delivered' WHEN p_next_ms IS NULL THEN 'failed' ELSE 'pending' END,
      next_at = t + coalesce(p_next_ms, 0) * interval '1 millisecond', lease_until = NULL,
      ended_at = CASE WHEN p_delivered OR p_next_ms IS NULL THEN t END,
      status = p_status, response = p_response, error = p_error,
      failures = failures + CASE WHEN p_delivered THEN 0 ELSE 1 END
    WHERE client = p_client AND endpoint = p_endpoint AND object = p_object AND type = p_type AND state = 'pending'
      AND attempts = p_attempt;
  IF NOT FOUND THEN
    RETURN 'stale';
  END IF;
  IF p_delivered THEN
    UPDATE webhook_endpoints SET failing_since = NULL, delivered_at = t WHERE client = p_client AND id = p_endpoint;
    RETURN 'delivered';
  END IF;
  UPDATE webhook_endpoints SET failing_since = coalesce(failing_since, t), failed_at = t
    WHERE client = p_client AND id = p_endpoint;
  IF p_gone OR since < t - p_give_up_ms * interval '1 millisecond' THEN
    PERFORM oncekey_webhook_disable(p_client, p_endpoint, CASE WHEN p_gone THEN 'gone' ELSE 'failing' END);
    RETURN 'disabled';
  END IF;
  RETURN CASE WHEN p_next_ms IS NULL THEN 'failed' ELSE 'retry' END;
END $$;

-- Forgets what ended before p_keep_ms and secrets that sign no more. Returns how many deliveries.
CREATE OR REPLACE FUNCTION oncekey_webhook_sweep(p_keep_ms bigint, p_limit integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  removed integer;
BEGIN
  DELETE FROM webhook_secrets WHERE expires_at < clock_timestamp();
  WITH over AS MATERIALIZED (
    SELECT client, endpoint, object, type FROM webhook_deliveries
      WHERE ended_at < clock_timestamp() - p_keep_ms * interval '1 millisecond'
      ORDER BY ended_at LIMIT p_limit FOR UPDATE SKIP LOCKED)
  DELETE FROM webhook_deliveries AS d USING over
    WHERE d.client = over.client AND d.endpoint = over.endpoint AND d.object = over.object AND d.type = over.type;
  GET DIAGNOSTICS removed = ROW_COUNT;
  RETURN removed;
END $$;
