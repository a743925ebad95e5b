-- A callback is claimed, as an event is: several nodes work, and each is applied by one of them. What failed is tried again.

ALTER TABLE callbacks ADD COLUMN failures INTEGER NOT NULL DEFAULT 0; -- how often it could not be applied; then it is parked
ALTER TABLE callbacks ADD COLUMN lease_owner TEXT;
ALTER TABLE callbacks ADD COLUMN lease_token BIGINT;
ALTER TABLE callbacks ADD COLUMN lease_until @time;
@uncounted(callbacks, lease_until);
CREATE INDEX callbacks_parked ON callbacks (transport, account) WHERE status = 'parked';
