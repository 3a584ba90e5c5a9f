-- Which processes serve from this database, and how they are: each writes its row every few seconds, and the operator's
-- console reads them all. Unlogged: after a crash of the database they are all written anew within seconds, and they cost
-- neither WAL nor a place in a backup that matters.
CREATE UNLOGGED TABLE nodes (
  -- Of one process: host, process number and a random part.
  id      text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9._-]{1,120}$'),
  -- By the clock of the database.
  seen_at timestamptz NOT NULL,
  -- A JSON object, see internal/console/node-report.ts.
  report  text NOT NULL CHECK (octet_length(report) <= 262144)
) WITH (fillfactor = 50);
