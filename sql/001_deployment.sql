-- Which deployment this database belongs to: one row.
CREATE TABLE deployment (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  id  text COLLATE "C" NOT NULL DEFAULT substr(replace(gen_random_uuid()::text, '-', ''), 1, 12)
    CHECK (id ~ '^[0-9a-f]{12}$')
);
INSERT INTO deployment DEFAULT VALUES;
COMMENT ON TABLE deployment IS 'One row. A copy of this database that is to serve beside it needs an id of its own: UPDATE deployment SET id = DEFAULT';
COMMENT ON COLUMN deployment.id IS 'Part of every name in Redis, so that deployments can share a Redis';

-- Unlogged: after a crash of the database every process writes its row again within seconds, and the rows cost no WAL.
CREATE UNLOGGED TABLE nodes (
  id      text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9._-]{1,120}$'),
  seen_at timestamptz NOT NULL,
  report  text NOT NULL CHECK (octet_length(report) <= 262144)
) WITH (fillfactor = 50);
COMMENT ON TABLE nodes IS 'Processes that serve from this database, for the console; each writes its row every few seconds';
COMMENT ON COLUMN nodes.id IS 'Host, process number and a random part';
COMMENT ON COLUMN nodes.report IS 'A JSON object: internal/console/node-report.ts';
