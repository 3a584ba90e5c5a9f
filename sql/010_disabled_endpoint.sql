-- An event shows its endpoint as it was, whenever it is read. Older events show it as it is.
ALTER TABLE events ADD COLUMN endpoint_row jsonb;
COMMENT ON COLUMN events.endpoint_row IS 'Of webhook_endpoint.disabled: the row of webhook_endpoints when it was disabled';
