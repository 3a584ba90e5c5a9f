-- For the operator: when an endpoint last took a webhook and last refused one, without reading its deliveries.
ALTER TABLE webhook_endpoints ADD COLUMN delivered_at timestamptz(3), ADD COLUMN failed_at timestamptz(3);
COMMENT ON COLUMN webhook_endpoints.delivered_at IS 'The end of the last attempt that was a success';
COMMENT ON COLUMN webhook_endpoints.failed_at IS 'The end of the last attempt that failed';
CREATE INDEX webhook_deliveries_failed ON webhook_deliveries (client, endpoint, ended_at) WHERE state = 'failed';
