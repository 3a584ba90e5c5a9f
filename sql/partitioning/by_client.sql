-- Makes orders, payments, events, idempotency_keys and audit_log hash-partitioned by client: "oncekey migrate --partition N", or
-- psql -1 -c 'SET oncekey.partitions = N' -f by_client.sql. Run by hand and once; docs/scale.md says when and how long.
-- One transaction: the tables are locked until their rows are copied, and nothing has changed if it fails. A table that
-- is partitioned already stays as it is. Everything is made from the catalogue, so that it is what the migrations have made so
-- far: columns, constraints, indexes, storage parameters, triggers, privileges and views. No function may have the row type of
-- one of these tables among its arguments.
DO $$
DECLARE
  -- How many partitions; they cannot become more later without copying again.
  n integer := current_setting('oncekey.partitions');
  t regclass;
  name text;
  part text;
  relation text;
  parameters text;
  again text[];
  triggers text[];
  step text;
  owner oid;
  grants text[];
BEGIN
  IF n NOT BETWEEN 2 AND 1024 THEN
    RAISE EXCEPTION 'partitions: % is not between 2 and 1024', n;
  END IF;
  FOREACH name IN ARRAY ARRAY['orders', 'payments', 'events', 'idempotency_keys', 'audit_log'] LOOP
    t := to_regclass(name);
    CONTINUE WHEN t IS NULL OR (SELECT relkind FROM pg_class WHERE oid = t) = 'p';
    SELECT relowner, coalesce('WITH (' || array_to_string(reloptions, ', ') || ')', '') INTO owner, parameters
      FROM pg_class WHERE oid = t;
    -- Changes nothing and locks the table. LOCK TABLE needs UPDATE, which the owner of audit_log has given up.
    EXECUTE format('ALTER TABLE %I OWNER TO %s', name, owner::regrole);

    -- What stands on the table, as text that makes it again. Views go first.
    SELECT array_agg(format('ALTER TABLE %I ADD CONSTRAINT %I %s', name, conname, pg_get_constraintdef(oid)) ORDER BY contype)
      INTO again FROM pg_constraint WHERE conrelid = t AND contype IN ('p', 'u', 'f');
    SELECT again || coalesce(array_agg(pg_get_indexdef(indexrelid)), '{}') INTO again FROM pg_index
      WHERE indrelid = t AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid);
    SELECT coalesce(array_agg(format('%s; ALTER TABLE %%1$I ENABLE %s TRIGGER %I',
        replace(pg_get_triggerdef(oid), format(' ON %s ', (SELECT format('%I.%I', nspname, name) FROM pg_namespace
          WHERE pg_namespace.oid = (SELECT relnamespace FROM pg_class WHERE oid = t))), ' ON %1$I '),
        CASE tgenabled WHEN 'A' THEN 'ALWAYS' ELSE '' END, tgname)), '{}')
      INTO triggers FROM pg_trigger WHERE tgrelid = t AND NOT tgisinternal;
    SELECT coalesce(array_agg(format('GRANT %s ON %%1$I TO %s%s', privilege_type,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)), '{}')
      INTO grants FROM pg_class, aclexplode(coalesce(relacl, acldefault('r', relowner))) WHERE pg_class.oid = t;
    FOR relation, step IN
      SELECT DISTINCT v.oid::regclass::text, format('CREATE VIEW %s AS %s', v.oid::regclass, pg_get_viewdef(v.oid))
          || coalesce((SELECT string_agg(format('; GRANT %s ON %s TO %s%s', privilege_type, v.oid::regclass,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
              CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), '')
            FROM aclexplode(v.relacl)), '')
        FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
        WHERE d.refobjid = t AND d.classid = 'pg_rewrite'::regclass AND v.relkind = 'v'
    LOOP
      again := again || step;
      EXECUTE format('DROP VIEW %s', relation);
    END LOOP;
    EXECUTE format('ALTER TABLE %I RENAME TO %I', name, name || '_whole');
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING INDEXES) PARTITION BY HASH (client)',
      name, name || '_whole');
    FOR i IN 0..n - 1 LOOP
      EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS %s, REMAINDER %s) %s',
        format('%s_p%s', name, i), name, n, i, parameters);
    END LOOP;
    EXECUTE format('INSERT INTO %I SELECT * FROM %I', name, name || '_whole');
    EXECUTE format('DROP TABLE %I', name || '_whole');
    -- After the rows: an index is built faster than it is filled.
    FOREACH step IN ARRAY again LOOP
      EXECUTE step;
    END LOOP;
    -- Statements on a partition meet the triggers and privileges of the table.
    FOR part IN SELECT name UNION ALL SELECT format('%s_p%s', name, i) FROM generate_series(0, n - 1) AS i LOOP
      FOREACH step IN ARRAY triggers LOOP
        EXECUTE format(step, part);
      END LOOP;
      EXECUTE format('REVOKE ALL ON %I FROM PUBLIC, %s', part, owner::regrole);
      FOREACH step IN ARRAY grants LOOP
        EXECUTE format(step, part);
      END LOOP;
    END LOOP;
    EXECUTE format('ANALYZE %I', name);
    RAISE NOTICE '% has % partitions', name, n;
  END LOOP;
  -- Replaced by themselves, so that sessions which have called them forget the row types from before.
  FOR step IN SELECT pg_get_functiondef(oid) FROM pg_proc
    WHERE proname LIKE 'oncekey\_%' AND pronamespace = current_schema()::regnamespace
  LOOP
    EXECUTE step;
  END LOOP;
END $$;
