-- The template that a message left by, and whether one was refused only after its gateway had taken the message.

ALTER TABLE booking_notifications ADD COLUMN template TEXT;
ALTER TABLE refused_templates ADD COLUMN late BOOLEAN NOT NULL DEFAULT FALSE; -- that a message is taken proves nothing then: one has to be delivered
