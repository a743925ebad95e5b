-- known_bookings --
-- All that decisions need to know of their bookings, with the message that still waits, if any.
SELECT r.n, a.*, n.id AS open_id, n.notification_type AS open_type, n.attempts AS open_attempts, n.due_at AS open_due_at,
       n.status AS open_status, n.error AS open_error, n.transport AS open_transport, n.account AS open_account, n.turn_at AS open_turn_at
FROM @rows r(n int, source text, company_id bigint, record_id bigint)
LEFT JOIN appointments_cache a ON a.source = r.source AND a.company_id = r.company_id AND a.record_id = r.record_id
LEFT JOIN booking_notifications n ON n.source = r.source AND n.company_id = r.company_id AND n.record_id = r.record_id
     AND n.status IN ('pending', 'sending')

-- save_bookings --
-- Only over the version that was read, and not while a request about the booking is open: who comes second decides again.
INSERT INTO appointments_cache (source, company_id, record_id, external_id, visit_id, client_name, client_phone, visit_at, services, staff,
                                is_cancelled, created_by_bot, last_change_date, digest, snapshot, announced, revision, create_seen,
                                attempted, hindrance, restored_at, version, created_at, updated_at)
SELECT r.source, r.company_id, r.record_id, r.external_id, r.visit_id, r.client_name, r.client_phone, r.visit_at, r.services, r.staff,
       r.is_cancelled, r.created_by_bot, r.last_change_date, r.digest, r.snapshot, r.announced, r.revision, r.create_seen,
       r.attempted, r.hindrance, r.restored_at, r.version, r.at, r.at
FROM @rows r(source text, company_id bigint, record_id bigint, external_id text, visit_id bigint, client_name text, client_phone text,
             visit_at time, services text, staff text, is_cancelled bool, created_by_bot bool, last_change_date time, digest text,
             snapshot text, announced text, revision bigint, create_seen bool, attempted text, hindrance text, restored_at time,
             version bigint, at time)
WHERE NOT EXISTS (SELECT 1 FROM booking_notifications n WHERE n.status = 'sending' AND n.source = r.source
                  AND n.company_id = r.company_id AND n.record_id = r.record_id)
ON CONFLICT (source, company_id, record_id) DO UPDATE SET
    external_id = excluded.external_id, visit_id = excluded.visit_id, client_name = excluded.client_name,
    client_phone = excluded.client_phone, visit_at = excluded.visit_at, services = excluded.services, staff = excluded.staff,
    is_cancelled = excluded.is_cancelled, created_by_bot = excluded.created_by_bot, last_change_date = excluded.last_change_date,
    digest = excluded.digest, snapshot = excluded.snapshot, announced = excluded.announced, revision = excluded.revision,
    create_seen = excluded.create_seen, attempted = excluded.attempted, hindrance = excluded.hindrance,
    restored_at = excluded.restored_at, version = excluded.version, updated_at = excluded.updated_at
WHERE appointments_cache.version = excluded.version - 1
RETURNING source, company_id, record_id

-- supersede --
UPDATE booking_notifications
SET status = 'superseded', error = r.error, finished_at = :now, fallback_at = NULL, lease_owner = NULL, lease_until = NULL
FROM @rows r(source text, company_id bigint, record_id bigint, error text)
WHERE booking_notifications.source = r.source AND booking_notifications.company_id = r.company_id
  AND booking_notifications.record_id = r.record_id AND booking_notifications.status = 'pending'
RETURNING booking_notifications.notification_id

-- end_fallbacks --
-- A newer state ends the watch on the older message: nobody falls back to yesterday's news.
UPDATE booking_notifications SET fallback_at = NULL
WHERE id IN (
    SELECT n.id FROM @rows r(source text, company_id bigint, record_id bigint)
    JOIN booking_notifications n ON n.record_id = r.record_id AND n.source = r.source AND n.company_id = r.company_id
    WHERE n.fallback_at IS NOT NULL)

-- add_notifications --
INSERT INTO booking_notifications (notification_id, step, round, event_id, source, company_id, record_id, phone, client_name, notification_type,
    channel, transport, account, message, status, reference, error, rule, is_test, revision, told, known_before, body, attempts, due_at, turn_at,
    deadline_at, created_at, sent_at, claims, lease_owner, lease_token, lease_until, finished_at)
SELECT r.notification_id, r.step, r.round, r.event_id, r.source, r.company_id, r.record_id, r.phone, r.client_name, r.notification_type,
    r.channel, r.transport, r.account, r.message, r.status, r.reference, r.error, r.rule, r.is_test, r.revision, r.told, r.known_before,
    r.body, r.attempts, r.due_at, r.turn_at, r.deadline_at, r.created_at, r.sent_at, r.claims, r.lease_owner, r.lease_token, r.lease_until,
    CASE WHEN r.status IN ('pending', 'sending') THEN NULL ELSE r.created_at END
FROM @rows r(notification_id text, step int, round int, event_id text, source text, company_id bigint, record_id bigint, phone text, client_name text,
    notification_type text, channel text, transport text, account bigint, message text, status text, reference text, error text, rule text,
    is_test bool, revision bigint, told text, known_before text, body text, attempts int, due_at time, turn_at time, deadline_at time,
    created_at time, sent_at time, claims int, lease_owner text, lease_token bigint, lease_until time)
WHERE TRUE
ON CONFLICT DO NOTHING
RETURNING id, notification_id, step

-- close_events --
UPDATE webhook_events
SET status = r.status, rule = r.rule, reason = r.reason, due_at = r.due_at,
    claims = CASE WHEN r.counts THEN webhook_events.claims ELSE 0 END, lease_owner = NULL, lease_until = NULL,
    processed_at = CASE WHEN r.status IN ('received', 'deferred') THEN NULL ELSE @at(now) END
FROM @rows r(id bigint, token bigint, status text, rule text, reason text, due_at time, counts bool)
WHERE webhook_events.id = r.id AND webhook_events.lease_token = r.token

-- judge_event --
-- A message kept back at the last moment: its event says so too.
UPDATE webhook_events SET status = r.status, rule = r.rule, reason = r.reason
FROM @rows r(event_id text, status text, rule text, reason text)
WHERE webhook_events.event_id = r.event_id

-- add_journal --
INSERT INTO journal (at, event_id, notification_id, stage, plugin, verdict, reason, detail)
SELECT r.at, r.event_id, r.notification_id, r.stage, r.plugin, r.verdict, r.reason, r.detail
FROM @rows r(at time, event_id text, notification_id text, stage text, plugin text, verdict text, reason text, detail text)
