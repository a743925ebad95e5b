-- Some gateways know a repeat for a short while.

ALTER TABLE booking_notifications ADD COLUMN repeat_until @time; -- it may have been taken: until then a repeat is known as one
