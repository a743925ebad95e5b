-- How fast an account sends, and whom it has written to. Kept here, so that a restart is no loophole.

CREATE TABLE pacing (
    transport TEXT NOT NULL,
    account BIGINT NOT NULL,
    last_at @time,                          -- its last message
    PRIMARY KEY (transport, account)
);

CREATE TABLE recipients (
    transport TEXT NOT NULL,
    account BIGINT NOT NULL,
    phone TEXT NOT NULL,
    first_at @time,                         -- when it wrote to them first, unasked. NULL: they were known before
    last_at @time NOT NULL,
    PRIMARY KEY (transport, account, phone)
);
CREATE INDEX recipients_first ON recipients (transport, account, first_at) WHERE first_at IS NOT NULL;
CREATE INDEX recipients_last ON recipients (last_at);
CREATE INDEX recipients_phone ON recipients (phone);

ALTER TABLE booking_notifications ADD COLUMN turn_at @time; -- the turn of its account that it was promised and waits for
CREATE INDEX booking_notifications_turn ON booking_notifications (transport, account, turn_at) WHERE status = 'pending' AND turn_at IS NOT NULL;
