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

-- known_bindings --
SELECT r.n, b.binding
FROM @rows r(n int, phone text, transport text, account bigint)
JOIN bindings b ON b.phone = r.phone AND b.transport = r.transport AND b.account = r.account
ORDER BY b.bound_at

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
    provider_message_id = COALESCE(r.provider_id, booking_notifications.provider_message_id), error = r.error, rule = r.rule,
    message = COALESCE(r.message, booking_notifications.message), due_at = COALESCE(r.due_at, booking_notifications.due_at),
    turn_at = r.turn_at, repeat_until = r.repeat_until, fallback_at = r.fallback_at, check_at = r.check_at, claims = 0, lease_owner = NULL, lease_until = NULL,
    sent_at = CASE WHEN r.status IN ('sent', 'unclear') THEN @at(now) ELSE NULL END,
    finished_at = CASE WHEN r.status = 'pending' THEN NULL ELSE @at(now) END
FROM @rows r(id bigint, token bigint, status text, channel text, transport text, account bigint, provider_id text, error text, rule text, message text, due_at time, turn_at time, repeat_until time,
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

-- move_back --
-- An unclear or sent message turned out failed: the client does not know, unless something newer was announced or another channel delivered.
UPDATE appointments_cache
SET announced = r.known_before, revision = appointments_cache.revision + 1, version = appointments_cache.version + 1, attempted = r.told,
    hindrance = NULL, updated_at = :now
FROM @rows r(source text, company_id bigint, record_id bigint, told text, known_before text, revision bigint)
WHERE appointments_cache.source = r.source AND appointments_cache.company_id = r.company_id AND appointments_cache.record_id = r.record_id
  AND appointments_cache.revision = r.revision + 1
RETURNING appointments_cache.revision

-- follow_back --
-- What waits about this booking takes the client on from where he is now.
UPDATE booking_notifications SET revision = r.revision
FROM @rows r(source text, company_id bigint, record_id bigint, revision bigint)
WHERE booking_notifications.source = r.source AND booking_notifications.company_id = r.company_id AND booking_notifications.record_id = r.record_id
  AND booking_notifications.status = 'pending' AND NOT booking_notifications.is_test

-- note_attempted --
UPDATE appointments_cache SET attempted = r.told, hindrance = NULL, version = appointments_cache.version + 1, updated_at = :now
FROM @rows r(source text, company_id bigint, record_id bigint, told text)
WHERE appointments_cache.source = r.source AND appointments_cache.company_id = r.company_id AND appointments_cache.record_id = r.record_id

-- release_notifications --
UPDATE booking_notifications SET lease_owner = NULL, lease_until = NULL, claims = 0 WHERE lease_owner = :owner AND status = 'pending'

-- early_notifications --
UPDATE booking_notifications SET due_at = :now WHERE status = 'pending' AND due_at > :now AND created_at > :now

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

-- due_fallbacks --
SELECT * FROM booking_notifications WHERE fallback_at <= :now AND status IN ('sent', 'unclear', 'failed') ORDER BY fallback_at LIMIT 200

-- go_on --
-- A watch that is over, or a message that its gateway gave up. Who comes second, and who is overtaken by a delivery, changes nothing.
UPDATE booking_notifications SET fallback_at = NULL, error = COALESCE(r.error, booking_notifications.error)
FROM @rows r(id bigint, error text)
WHERE booking_notifications.id = r.id
  AND booking_notifications.status IN ('sent', 'unclear', 'failed') AND booking_notifications.fallback_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM booking_notifications o WHERE o.notification_id = booking_notifications.notification_id
                  AND (o.step > booking_notifications.step OR o.status IN ('delivered', 'read')))
  AND NOT EXISTS (SELECT 1 FROM booking_notifications o WHERE o.source = booking_notifications.source AND o.company_id = booking_notifications.company_id
                  AND o.record_id = booking_notifications.record_id AND o.step = 0 AND o.id > booking_notifications.id AND NOT o.is_test
                  AND o.notification_id <> booking_notifications.notification_id
                  AND o.status IN ('pending', 'sending', 'sent', 'delivered', 'read', 'unclear'))
RETURNING booking_notifications.id

-- end_watch --
UPDATE booking_notifications SET fallback_at = NULL FROM @rows r(id bigint) WHERE booking_notifications.id = r.id

-- due_checks --
UPDATE booking_notifications SET checks = checks + 1, check_at = NULL
WHERE id IN (SELECT n.id FROM booking_notifications n WHERE n.check_at <= :now AND n.status IN ('sent', 'unclear') ORDER BY n.check_at LIMIT 100 @skip_locked)
RETURNING *

-- check_again --
UPDATE booking_notifications SET check_at = r.check_at
FROM @rows r(id bigint, check_at time)
WHERE booking_notifications.id = r.id AND booking_notifications.status IN ('sent', 'unclear')

-- next_message --
-- When a message, a fallback or a check is due; each is the first of its own index.
SELECT MIN(due_at) AS due_at FROM (
    SELECT MIN(due_at) AS due_at FROM booking_notifications
    WHERE status = 'pending' AND claims = 0 AND (lease_until IS NULL OR lease_until < :now)
    UNION ALL SELECT MIN(due_at) FROM booking_notifications
    WHERE status = 'pending' AND claims > 0 AND (lease_until IS NULL OR lease_until < :now)
    UNION ALL SELECT MIN(fallback_at) FROM booking_notifications WHERE fallback_at IS NOT NULL
    UNION ALL SELECT MIN(check_at) FROM booking_notifications WHERE check_at IS NOT NULL) AS moments

-- rows_of_statuses --
SELECT r.n, b.* FROM @rows r(n int, transport text, account bigint, provider_id text, reference text)
JOIN booking_notifications b ON b.provider_message_id = r.provider_id AND b.transport = r.transport AND b.account = r.account
UNION
SELECT r.n, b.* FROM @rows r(n int, transport text, account bigint, provider_id text, reference text)
JOIN booking_notifications b ON b.reference = r.reference AND b.transport = r.transport AND b.account = r.account

-- rows_of_phones --
-- Messages without an id of the gateway's: the one whose answer was lost is found by its recipient.
SELECT r.n, b.* FROM @rows r(n int, transport text, account bigint, phone text, since time)
JOIN booking_notifications b ON b.phone = r.phone AND b.sent_at >= r.since
WHERE b.transport = r.transport AND b.account = r.account AND b.provider_message_id IS NULL AND b.status IN ('unclear', 'sending')
ORDER BY b.sent_at DESC, b.id DESC

-- set_status --
UPDATE booking_notifications
SET status = r.status, error = r.error, provider_message_id = COALESCE(booking_notifications.provider_message_id, r.provider_id),
    delivered_at = COALESCE(booking_notifications.delivered_at, r.delivered_at), read_at = COALESCE(booking_notifications.read_at, r.read_at),
    fallback_at = CASE WHEN r.status IN ('delivered', 'read', 'failed') THEN NULL ELSE booking_notifications.fallback_at END,
    check_at = CASE WHEN r.status IN ('delivered', 'read', 'failed') THEN NULL ELSE booking_notifications.check_at END
FROM @rows r(id bigint, status text, error text, provider_id text, delivered_at time, read_at time)
WHERE booking_notifications.id = r.id

-- gave_up --
-- The next channel is due, and stays due over a crash.
UPDATE booking_notifications SET fallback_at = r.at FROM @rows r(id bigint, at time) WHERE booking_notifications.id = r.id

-- stop_siblings --
-- It was delivered after all: what still waits on another channel is not needed, nor what would follow there.
UPDATE booking_notifications
SET status = CASE WHEN booking_notifications.status = 'pending' THEN 'superseded' ELSE booking_notifications.status END,
    error = CASE WHEN booking_notifications.status = 'pending' THEN 'delivered on another channel' ELSE booking_notifications.error END,
    finished_at = COALESCE(booking_notifications.finished_at, :now), fallback_at = NULL, lease_owner = NULL, lease_until = NULL
FROM @rows r(notification_id text, id bigint)
WHERE booking_notifications.notification_id = r.notification_id AND booking_notifications.id <> r.id
  AND booking_notifications.status IN ('pending', 'sent', 'unclear')

-- siblings --
SELECT b.* FROM @rows r(notification_id text) JOIN booking_notifications b ON b.notification_id = r.notification_id ORDER BY b.step

-- withdraw --
-- Somebody else has told the client: what waits is not needed.
UPDATE booking_notifications SET status = 'superseded', error = :error, finished_at = :now, lease_owner = NULL, lease_until = NULL
WHERE source = :source AND company_id = :company AND record_id = :record AND status = 'pending'

-- told_by_another --
UPDATE appointments_cache SET announced = snapshot, revision = revision + 1, version = version + 1, attempted = NULL, hindrance = NULL,
    created_by_bot = TRUE, updated_at = :now
WHERE record_id = :record AND snapshot IS NOT NULL AND (:company = 0 OR company_id = :company)
RETURNING source, company_id, record_id

-- resendable --
-- The newest message that failed, expired or is unclear on every channel, with all its steps. Nothing newer was told of its booking.
SELECT * FROM booking_notifications WHERE notification_id = (
    SELECT n.notification_id FROM booking_notifications n
    WHERE (n.event_id = :key OR n.notification_id = :key OR n.record_id = :record) AND n.status IN ('failed', 'expired', 'unclear')
      AND NOT EXISTS (SELECT 1 FROM booking_notifications l WHERE l.source = n.source AND l.company_id = n.company_id AND l.record_id = n.record_id
                      AND l.id > n.id AND l.step = 0)
      AND NOT EXISTS (SELECT 1 FROM booking_notifications d WHERE d.notification_id = n.notification_id AND d.status IN ('delivered', 'read', 'pending', 'sending', 'sent'))
    ORDER BY n.id DESC LIMIT 1)
ORDER BY step

-- give_up --
-- A person says that it did not arrive. Nobody falls back from it, or asks what became of it; should a status say that it arrived after all, it counts.
UPDATE booking_notifications
SET status = CASE WHEN status = 'unclear' THEN 'failed' ELSE status END, fallback_at = NULL, check_at = NULL,
    error = CASE WHEN status = 'unclear' THEN 'it did not arrive, says who sent it again' ELSE error END
WHERE notification_id = :number

-- tell_again --
-- The client does not know after all. Where this very message had moved what is announced, it moves back.
UPDATE appointments_cache
SET announced = CASE WHEN appointments_cache.revision = r.revision + 1 THEN r.known_before ELSE appointments_cache.announced END,
    revision = CASE WHEN appointments_cache.revision = r.revision + 1 THEN appointments_cache.revision + 1 ELSE appointments_cache.revision END,
    attempted = NULL, hindrance = NULL, version = appointments_cache.version + 1, updated_at = :now
FROM @rows r(source text, company_id bigint, record_id bigint, known_before text, revision bigint)
WHERE appointments_cache.source = r.source AND appointments_cache.company_id = r.company_id AND appointments_cache.record_id = r.record_id
RETURNING appointments_cache.revision

-- told_ahead --
-- The other bot was faster than the webhook: the booking that comes is told already.
INSERT INTO appointments_cache (source, company_id, record_id, created_by_bot, version, created_at, updated_at)
VALUES (:source, :company, :record, TRUE, 1, :now, :now)
ON CONFLICT (source, company_id, record_id) DO NOTHING
