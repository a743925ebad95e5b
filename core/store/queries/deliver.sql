-- orphan_notifications --
UPDATE booking_notifications SET lease_until = :past
WHERE lease_until IS NOT NULL AND status IN ('pending', 'sending') AND (:owner = '' OR lease_owner = :owner)

-- claim_notifications --
-- What is due, for accounts that have a slot free. A booking with an undecided event waits: the decision may replace the message.
-- What was claimed in vain may have killed its worker: it is tried alone (below).
UPDATE booking_notifications
SET lease_owner = :owner, lease_token = :token, lease_until = :until, claims = claims + 1
WHERE id IN (
    SELECT n.id FROM booking_notifications n
    WHERE n.status = 'pending' AND n.due_at <= :now AND (n.lease_until IS NULL OR n.lease_until < :now)
      AND n.claims = 0
      AND NOT EXISTS (SELECT 1 FROM webhook_events e WHERE e.source = n.source AND e.company_id = n.company_id AND e.record_id = n.record_id
                      AND e.status IN ('received', 'deferred') AND n.body IS NULL)
      AND (COALESCE(n.transport, ''), n.account) NOT IN (SELECT b.transport, b.account FROM @rows b(transport text, account bigint))
    ORDER BY n.due_at, n.id LIMIT :most @skip_locked)
RETURNING *

-- claim_suspect_notification --
-- As with events: alone, the least suspect first.
UPDATE booking_notifications
SET lease_owner = :owner, lease_token = :token, lease_until = :until, claims = claims + 1
WHERE id IN (
    SELECT n.id FROM booking_notifications n
    WHERE n.status = 'pending' AND n.due_at <= :now AND (n.lease_until IS NULL OR n.lease_until < :now)
      AND n.claims >= :least
      AND NOT EXISTS (SELECT 1 FROM webhook_events e WHERE e.source = n.source AND e.company_id = n.company_id AND e.record_id = n.record_id
                      AND e.status IN ('received', 'deferred') AND n.body IS NULL)
      AND (COALESCE(n.transport, ''), n.account) NOT IN (SELECT b.transport, b.account FROM @rows b(transport text, account bigint))
    ORDER BY n.claims, n.due_at, n.id LIMIT 1 @skip_locked)
RETURNING *

-- clear_claims --
-- It came through what could have killed its worker.
UPDATE booking_notifications SET claims = 0
FROM @rows r(id bigint, token bigint) WHERE booking_notifications.id = r.id AND booking_notifications.lease_token = r.token

-- known_states --
SELECT r.n, a.snapshot, a.announced, a.revision, a.version
FROM @rows r(n int, source text, company_id bigint, record_id bigint)
JOIN appointments_cache a ON a.source = r.source AND a.company_id = r.company_id AND a.record_id = r.record_id

-- touch_bookings --
-- The version moves before a row is marked: a decision that read the older one is made again.
UPDATE appointments_cache SET version = appointments_cache.version + 1
FROM @rows r(source text, company_id bigint, record_id bigint)
WHERE appointments_cache.source = r.source AND appointments_cache.company_id = r.company_id AND appointments_cache.record_id = r.record_id

-- mark_sending --
UPDATE booking_notifications
SET status = 'sending', channel = r.channel, transport = r.transport, account = r.account, message = r.message, told = r.told, known_before = r.known_before, attempts = booking_notifications.attempts + 1,
    lease_until = :until, sent_at = :now
FROM @rows r(id bigint, token bigint, channel text, transport text, account bigint, message text, told text, known_before text)
WHERE booking_notifications.id = r.id AND booking_notifications.lease_token = r.token AND booking_notifications.status || '' = 'pending'
  AND booking_notifications.lease_until IS NOT NULL
RETURNING booking_notifications.id

-- finish --
-- Also what others took for dead while its answer was on the way, if it was sent: then nothing about it is unclear.
UPDATE booking_notifications
SET status = r.status, channel = r.channel, transport = r.transport, account = r.account,
    provider_message_id = COALESCE(r.provider_id, booking_notifications.provider_message_id), template = COALESCE(r.template, booking_notifications.template), error = r.error, rule = r.rule,
    message = COALESCE(r.message, booking_notifications.message), due_at = COALESCE(r.due_at, booking_notifications.due_at),
    turn_at = r.turn_at, repeat_until = r.repeat_until, fallback_at = r.fallback_at, check_at = r.check_at, claims = 0, lease_owner = NULL, lease_until = NULL,
    sent_at = CASE WHEN r.status IN ('sent', 'unclear') THEN @at(now) ELSE NULL END,
    finished_at = CASE WHEN r.status = 'pending' THEN NULL ELSE @at(now) END
FROM @rows r(id bigint, token bigint, status text, channel text, transport text, account bigint, provider_id text, template text, error text, rule text, message text, due_at time, turn_at time, repeat_until time,
           fallback_at time, check_at time)
WHERE booking_notifications.id = r.id AND booking_notifications.lease_token = r.token
  AND (booking_notifications.status IN ('pending', 'sending') OR (booking_notifications.status = 'unclear' AND r.status = 'sent'))
RETURNING booking_notifications.id

-- move_announced --
-- Once for each message: a fallback moves it only where no earlier channel has.
UPDATE appointments_cache
SET announced = r.told, revision = appointments_cache.revision + 1, version = appointments_cache.version + 1, attempted = NULL, hindrance = NULL,
    updated_at = :now
FROM @rows r(source text, company_id bigint, record_id bigint, told text, revision bigint)
WHERE appointments_cache.source = r.source AND appointments_cache.company_id = r.company_id AND appointments_cache.record_id = r.record_id
  AND appointments_cache.revision = r.revision

-- note_attempted --
UPDATE appointments_cache SET attempted = r.told, hindrance = NULL, version = appointments_cache.version + 1, updated_at = :now
FROM @rows r(source text, company_id bigint, record_id bigint, told text)
WHERE appointments_cache.source = r.source AND appointments_cache.company_id = r.company_id AND appointments_cache.record_id = r.record_id

-- release_notifications --
UPDATE booking_notifications SET lease_owner = NULL, lease_until = NULL, claims = 0 WHERE lease_owner = :owner AND status = 'pending'

-- early_notifications --
UPDATE booking_notifications SET due_at = :now WHERE status = 'pending' AND due_at > :now AND created_at > :now

-- cut_message_leases --
-- As with events.
UPDATE booking_notifications SET lease_until = :until WHERE status = 'pending' AND claims > 0 AND lease_until > :far

-- cut_request_leases --
UPDATE booking_notifications SET lease_until = :until WHERE status = 'sending' AND lease_until > :far

-- let_go_notifications --
-- As with events. One that may be marked as being sent is not let go of.
UPDATE booking_notifications
SET lease_until = :past, claims = CASE WHEN booking_notifications.claims > 1 THEN booking_notifications.claims - 1 ELSE 1 END
FROM @rows r(id bigint, token bigint)
WHERE booking_notifications.id = r.id AND booking_notifications.lease_token = r.token
  AND booking_notifications.status || '' = 'pending' AND booking_notifications.lease_until IS NOT NULL

-- renew_notifications --
UPDATE booking_notifications SET lease_until = :until FROM @rows r(id bigint, token bigint)
WHERE booking_notifications.id = r.id AND booking_notifications.lease_token = r.token
  AND booking_notifications.status || '' IN ('pending', 'sending') AND booking_notifications.lease_until IS NOT NULL

-- lapsed --
-- A request was open when its worker died: nobody knows whether it was taken.
SELECT * FROM booking_notifications WHERE status = 'sending' AND lease_until < :now ORDER BY lease_until, id LIMIT 500 @skip_locked

-- lapse --
UPDATE booking_notifications
SET status = 'unclear', error = :error, lease_owner = NULL, lease_until = NULL, finished_at = :now, fallback_at = r.fallback_at, check_at = r.check_at
FROM @rows r(id bigint, fallback_at time, check_at time)
WHERE booking_notifications.id = r.id AND booking_notifications.status = 'sending'

-- next_message --
-- When a message, a fallback or a check is due; each is the first of its own index.
SELECT MIN(due_at) AS due_at FROM (
    SELECT MIN(due_at) AS due_at FROM booking_notifications
    WHERE status = 'pending' AND claims = 0 AND (lease_until IS NULL OR lease_until < :now)
    UNION ALL SELECT MIN(due_at) FROM booking_notifications
    WHERE status = 'pending' AND claims > 0 AND (lease_until IS NULL OR lease_until < :now)
    UNION ALL SELECT MIN(fallback_at) FROM booking_notifications WHERE fallback_at IS NOT NULL
    UNION ALL SELECT MIN(check_at) FROM booking_notifications WHERE check_at IS NOT NULL) AS moments

-- siblings --
SELECT b.* FROM @rows r(notification_id text) JOIN booking_notifications b ON b.notification_id = r.notification_id ORDER BY b.step
