-- A message that a person has sent again begins its route anew, as further steps of the same notification.

ALTER TABLE booking_notifications ADD COLUMN round INTEGER NOT NULL DEFAULT 0; -- how often it had been sent again by hand
