-- The tables of Vestnik. Written once for both databases: words that begin with @ are filled in for each (core/store/sql.py).
-- Keys begin with the source, because the ids of two sources may overlap. There is no foreign key to clients: an unknown client
-- can never cost a snapshot.

CREATE TABLE webhook_events (
    id @id,
    event_id TEXT NOT NULL UNIQUE,          -- the inbox key: the same event sent twice has the same one
    source TEXT NOT NULL,
    event_type TEXT NOT NULL,               -- record.created, record.updated, …
    company_id BIGINT,
    record_id BIGINT,
    external_id TEXT,                       -- the sender's id, where it is not a number
    transport_id TEXT,                      -- the sender's own delivery id, where it names one
    digest TEXT,                            -- of the sender's data: a poll passes over what is known
    payload TEXT,                           -- as it came; deleted after keep_bodies
    status TEXT NOT NULL DEFAULT 'received',
    rule TEXT,                              -- who kept silent
    reason TEXT,                            -- and why
    is_test @bool NOT NULL DEFAULT FALSE,
    is_import @bool NOT NULL DEFAULT FALSE, -- the very first poll: everything counts as announced
    repeats INTEGER NOT NULL DEFAULT 0,     -- how often it came again
    attempts INTEGER NOT NULL DEFAULT 0,    -- how often it was taken up
    claims INTEGER NOT NULL DEFAULT 0,      -- of these, since the last that ended well; 3 deaths park it
    due_at @time NOT NULL,
    lease_owner TEXT,
    lease_token BIGINT,
    lease_until @time,
    created_at @time NOT NULL,
    processed_at @time
);
CREATE INDEX webhook_events_due ON webhook_events (claims, due_at) WHERE status IN ('received', 'deferred');
CREATE INDEX webhook_events_undecided ON webhook_events (source, company_id, record_id) WHERE status IN ('received', 'deferred');
CREATE INDEX webhook_events_record ON webhook_events (record_id);
CREATE INDEX webhook_events_created ON webhook_events (created_at);
CREATE INDEX webhook_events_bodies ON webhook_events (created_at) WHERE payload IS NOT NULL;
CREATE INDEX webhook_events_parked ON webhook_events (created_at) WHERE status = 'parked';
-- Counted in a quiet moment, these would tell the planner that nothing ever waits, and under load it would walk the whole queue for each row.
@uncounted(webhook_events, status);
@uncounted(webhook_events, lease_until);

CREATE TABLE appointments_cache (
    source TEXT NOT NULL,
    company_id BIGINT NOT NULL,
    record_id BIGINT NOT NULL,
    external_id TEXT,
    visit_id BIGINT,
    client_name TEXT,
    client_phone TEXT,
    visit_at @time,
    services TEXT,
    staff TEXT,
    is_cancelled @bool NOT NULL DEFAULT FALSE,
    created_by_bot @bool NOT NULL DEFAULT FALSE,
    last_change_date @time,
    digest TEXT,
    snapshot TEXT,                          -- the newest state, as JSON; NULL: a tombstone of a booking never seen alive
    announced TEXT,                         -- the state the client knows about; NULL: none
    revision BIGINT NOT NULL DEFAULT 0,     -- how often announced has moved
    create_seen @bool NOT NULL DEFAULT FALSE,
    attempted TEXT,                         -- the state of the last message that failed or expired
    hindrance TEXT,                         -- why the last message was not even tried: a rule's name, or "no phone"
    restored_at @time,                      -- when it came back to life after a deletion
    version BIGINT NOT NULL DEFAULT 0,      -- counts every change of this row: optimistic lock
    created_at @time NOT NULL,
    updated_at @time NOT NULL,
    PRIMARY KEY (source, company_id, record_id)
);
CREATE INDEX appointments_cache_phone ON appointments_cache (client_phone);
CREATE INDEX appointments_cache_record ON appointments_cache (record_id);
CREATE INDEX appointments_cache_visit ON appointments_cache (visit_at);

CREATE TABLE booking_notifications (
    id @id,
    notification_id TEXT NOT NULL,          -- one message to the client; a fallback is another row with the same one
    step INTEGER NOT NULL DEFAULT 0,        -- 0: first channel, 1: the next, …
    event_id TEXT NOT NULL,
    source TEXT NOT NULL,
    company_id BIGINT,
    record_id BIGINT,
    phone TEXT,
    client_name TEXT,
    notification_type TEXT NOT NULL,
    channel TEXT NOT NULL,
    transport TEXT,
    account BIGINT NOT NULL DEFAULT 0,      -- whose account: 0 is the one of all salons
    message TEXT,
    status TEXT NOT NULL DEFAULT 'pending',
    provider_message_id TEXT,
    reference TEXT NOT NULL,                -- our own id of this row at the gateway
    error TEXT,
    rule TEXT,                              -- who kept it back at the last moment
    is_test @bool NOT NULL DEFAULT FALSE,
    revision BIGINT NOT NULL DEFAULT 0,     -- takes the client from this revision to the next
    told TEXT,                              -- the state it tells, as JSON
    known_before TEXT,                      -- what was announced before it, as JSON
    body TEXT,                              -- a text rendered elsewhere
    attempts INTEGER NOT NULL DEFAULT 0,
    claims INTEGER NOT NULL DEFAULT 0,
    due_at @time NOT NULL,
    deadline_at @time NOT NULL,
    fallback_at @time,                      -- then the next channel, if it is not delivered
    check_at @time,                         -- then the gateway is asked what became of it
    checks INTEGER NOT NULL DEFAULT 0,
    lease_owner TEXT,
    lease_token BIGINT,
    lease_until @time,
    created_at @time NOT NULL,
    sent_at @time,
    delivered_at @time,
    read_at @time,
    finished_at @time,
    UNIQUE (notification_id, step)
);
-- Never twice: one live notification per booking and revision. A fallback (step 1, 2, …) is the same notification on another channel.
CREATE UNIQUE INDEX booking_notifications_once ON booking_notifications (source, company_id, record_id, revision, step)
    WHERE status IN ('pending', 'sending', 'sent', 'delivered', 'read', 'unclear', 'withheld') AND told IS NOT NULL AND NOT is_test;
CREATE INDEX booking_notifications_due ON booking_notifications (claims, due_at) WHERE status = 'pending';
CREATE INDEX booking_notifications_sending ON booking_notifications (source, company_id, record_id) WHERE status IN ('pending', 'sending');
CREATE INDEX booking_notifications_lease ON booking_notifications (lease_until) WHERE status = 'sending';
CREATE INDEX booking_notifications_fallback ON booking_notifications (fallback_at) WHERE fallback_at IS NOT NULL;
CREATE INDEX booking_notifications_check ON booking_notifications (check_at) WHERE check_at IS NOT NULL;
CREATE INDEX booking_notifications_provider ON booking_notifications (provider_message_id) WHERE provider_message_id IS NOT NULL;
CREATE INDEX booking_notifications_reference ON booking_notifications (reference);
CREATE INDEX booking_notifications_phone ON booking_notifications (phone, sent_at);
CREATE INDEX booking_notifications_record ON booking_notifications (record_id);
CREATE INDEX booking_notifications_event ON booking_notifications (event_id);
CREATE INDEX booking_notifications_created ON booking_notifications (created_at);
CREATE INDEX booking_notifications_unheard ON booking_notifications (created_at)
    WHERE status IN ('failed', 'expired', 'unclear') OR error = 'not delivered in time';
@uncounted(booking_notifications, status);
@uncounted(booking_notifications, lease_until);
@uncounted(booking_notifications, fallback_at);
@uncounted(booking_notifications, check_at);

CREATE TABLE journal (
    id @id,
    at @time NOT NULL,
    event_id TEXT NOT NULL,
    notification_id TEXT,
    stage TEXT NOT NULL,
    plugin TEXT,
    verdict TEXT NOT NULL,
    reason TEXT,
    detail TEXT                             -- JSON: all verdicts and the case they were given
);
CREATE INDEX journal_event ON journal (event_id);
CREATE INDEX journal_at ON journal (at);

CREATE TABLE contacts (
    phone TEXT NOT NULL,
    company_id BIGINT NOT NULL,             -- 0: all salons
    wrote_at @time,
    opted_out_at @time,
    confirmed_at @time,                     -- the last answer to СТОП or СТАРТ
    won_channel TEXT,                       -- the channel that reached them
    won_at @time,
    PRIMARY KEY (phone, company_id)
);

CREATE TABLE bindings (
    transport TEXT NOT NULL,
    account BIGINT NOT NULL,
    binding TEXT NOT NULL,                  -- the transport's own id of the client: a chat
    phone TEXT,
    bound_at @time NOT NULL,
    PRIMARY KEY (transport, account, binding)
);
CREATE INDEX bindings_phone ON bindings (phone, transport, account);

CREATE TABLE binding_tokens (
    token TEXT PRIMARY KEY,                 -- what a deep link carries
    phone TEXT NOT NULL,
    created_at @time NOT NULL
);

CREATE TABLE transport_health (
    transport TEXT NOT NULL,
    account BIGINT NOT NULL,
    reason TEXT,                            -- NULL: working
    failures INTEGER NOT NULL DEFAULT 0,
    paused_at @time,
    paused_until @time,
    last_sent_at @time,
    updated_at @time NOT NULL,
    PRIMARY KEY (transport, account)
);

CREATE TABLE callbacks (
    id @id,
    transport TEXT NOT NULL,
    account BIGINT NOT NULL,
    payload TEXT,
    items TEXT,                             -- what the transport read from it, as JSON
    status TEXT NOT NULL DEFAULT 'received',
    reason TEXT,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at @time NOT NULL,
    created_at @time NOT NULL
);
CREATE INDEX callbacks_due ON callbacks (due_at) WHERE status IN ('received', 'unmatched');
CREATE INDEX callbacks_created ON callbacks (created_at);

CREATE TABLE refusals (
    source TEXT NOT NULL,
    hour @time NOT NULL,
    count BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (source, hour)
);

CREATE TABLE poll_points (
    source TEXT NOT NULL,
    company_id BIGINT NOT NULL,
    since @time NOT NULL,
    webhook_at @time,                       -- the last webhook of this salon
    found_at @time,                         -- the last poll that found something webhooks had not told
    PRIMARY KEY (source, company_id)
);

CREATE TABLE alerts (
    key TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    count BIGINT NOT NULL DEFAULT 1,
    first_at @time NOT NULL,
    last_at @time NOT NULL,
    told_at @time
);

CREATE VIEW webhook_stats_24h AS
SELECT event_type,
       COUNT(*) AS total_events,
       SUM(CASE WHEN status = 'processed' THEN 1 ELSE 0 END) AS processed_events,
       SUM(CASE WHEN status IN ('received', 'deferred') THEN 1 ELSE 0 END) AS pending_events,
       SUM(CASE WHEN status IN ('suppressed', 'ignored') THEN 1 ELSE 0 END) AS suppressed_events,
       SUM(CASE WHEN status IN ('parked', 'unreadable') THEN 1 ELSE 0 END) AS failed_events,
       AVG(@seconds(created_at, processed_at)) AS avg_processing_time_seconds
FROM webhook_events
WHERE created_at >= @yesterday AND NOT is_test
GROUP BY event_type;

CREATE VIEW notification_stats_24h AS
SELECT notification_type,
       SUM(CASE WHEN status IN ('sent', 'delivered', 'read', 'unclear') THEN 1 ELSE 0 END) AS total_sent,
       SUM(CASE WHEN status IN ('delivered', 'read') THEN 1 ELSE 0 END) AS delivered,
       SUM(CASE WHEN status = 'read' THEN 1 ELSE 0 END) AS read,
       SUM(CASE WHEN status IN ('failed', 'expired') THEN 1 ELSE 0 END) AS failed,
       SUM(CASE WHEN status IN ('pending', 'sending') THEN 1 ELSE 0 END) AS pending
FROM booking_notifications
WHERE created_at >= @yesterday AND NOT is_test
GROUP BY notification_type;
