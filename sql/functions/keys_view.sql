-- The records as operators see them: without those that count as absent, and a dispatched one whose lease has ended as
-- unknown. since_ms: since it was dispatched or became unknown; expires_ms: NULL is never.
CREATE OR REPLACE VIEW oncekey_keys AS
  SELECT client, scope, key, encode(token, 'hex') AS held, attempt, status, resolved_by, expires_at,
    CASE WHEN lost THEN 'unknown' ELSE state END AS state,
    CASE WHEN lost THEN 'lease_lost' WHEN state = 'unknown' THEN reason END AS reason,
    CASE WHEN state <> 'completed'
      THEN floor(extract(epoch FROM now() - coalesce(dispatched_at, unknown_at)) * 1000) END AS since_ms,
    CASE WHEN state = 'in_progress' AND NOT lost
      THEN greatest(0, ceil(extract(epoch FROM lease_until - now()) * 1000)) END AS lease_ms,
    CASE WHEN expires_at <> 'infinity'
      THEN greatest(0, ceil(extract(epoch FROM expires_at - now()) * 1000)) END AS expires_ms
  FROM idempotency_keys,
    LATERAL (SELECT state = 'in_progress' AND dispatched_at IS NOT NULL AND lease_until <= now() AS lost) AS held_by
  WHERE expires_at > now() OR (state = 'in_progress' AND lease_until > now());
