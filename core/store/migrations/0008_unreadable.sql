-- What no source could read is few among many, and `vestnik stats` lists the newest.

CREATE INDEX webhook_events_unreadable ON webhook_events (created_at) WHERE status = 'unreadable';
