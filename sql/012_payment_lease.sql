ALTER TABLE payments ADD COLUMN lease_ms integer CHECK (lease_ms >= 0);
COMMENT ON COLUMN payments.lease_ms IS 'Length of the lease; 0: no attempt holds the payment. A lease that ends later than this from now was written before the clock was put back, and is shortened';
