-- Distributes the tables that grow over the workers of a Citus cluster, by client: "oncekey migrate --distribute", once, for
-- good; docs/scale.md has it. One transaction: nothing has changed if it fails. What is distributed already stays as it is.
-- The other tables stay on the coordinator.
-- The append-only triggers go to every shard. Citus calls triggers on shards unsafe since they could reach other nodes; these
-- only refuse.
SET LOCAL citus.enable_unsafe_triggers = on;
CREATE TABLE IF NOT EXISTS event_heads (
  client   text COLLATE "C" PRIMARY KEY CHECK (client <> '' AND octet_length(client) <= 64),
  position bigint NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE event_heads IS 'The last place that an event of the client has: functions oncekey_events_*() of sql/distributed';
-- While a worker hangs, a statement that waits for it does not see that its client has given up: within a minute every connection
-- of the coordinator is taken. So the server looks. The settings of a database belong to its owner, who may not be the one of the
-- tables; Windows has no such look.
DO $$
BEGIN
  EXECUTE format('ALTER DATABASE %I SET client_connection_check_interval = %L', current_database(), '1s');
EXCEPTION WHEN insufficient_privilege OR invalid_parameter_value THEN
  RAISE NOTICE 'client_connection_check_interval is not set for this database: %', SQLERRM;
END $$;
DO $$
DECLARE
  name text;
  first CONSTANT text := 'orders';
BEGIN
  IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = first::regclass) THEN
    ALTER TABLE orders ALTER COLUMN position SET DEFAULT 4611686018427387904;
    ALTER TABLE events ALTER COLUMN position
      SET DEFAULT 4611686018427387904 + (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    -- The tables are locked: behind every place that was given before.
    UPDATE events_shift SET shift = shift + pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
    PERFORM create_distributed_table(first, 'client', colocate_with := 'none');
  END IF;
  FOREACH name IN ARRAY ARRAY['payments', 'idempotency_keys', 'events', 'event_heads', 'audit_heads', 'audit_log'] LOOP
    IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = name::regclass) THEN
      PERFORM create_distributed_table(name, 'client', colocate_with := first);
    END IF;
  END LOOP;
END $$;
