-- hold_message --
SELECT @hold(number)

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

-- stop_siblings --
-- It was delivered after all: what still waits on another channel is not needed, nor what would follow there.
UPDATE booking_notifications
SET status = CASE WHEN booking_notifications.status = 'pending' THEN 'superseded' ELSE booking_notifications.status END,
    error = CASE WHEN booking_notifications.status = 'pending' THEN 'delivered on another channel' ELSE booking_notifications.error END,
    finished_at = COALESCE(booking_notifications.finished_at, :now), fallback_at = NULL, lease_owner = NULL, lease_until = NULL
FROM @rows r(notification_id text, id bigint)
WHERE booking_notifications.notification_id = r.notification_id AND booking_notifications.id <> r.id
  AND booking_notifications.status IN ('pending', 'sent', 'unclear')

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

-- told_by_another --
UPDATE appointments_cache SET announced = snapshot, revision = revision + 1, version = version + 1, attempted = NULL, hindrance = NULL,
    created_by_bot = TRUE, updated_at = :now
WHERE source = :source AND company_id = :company AND record_id = :record AND snapshot IS NOT NULL
RETURNING record_id

-- withdraw --
-- Somebody else has told the client: what waits is not needed.
UPDATE booking_notifications SET status = 'superseded', error = :error, finished_at = :now, lease_owner = NULL, lease_until = NULL
WHERE source = :source AND company_id = :company AND record_id = :record AND status = 'pending'

-- told_ahead --
-- The other bot was faster than the webhook: the booking that comes is told already.
INSERT INTO appointments_cache (source, company_id, record_id, created_by_bot, version, created_at, updated_at)
VALUES (:source, :company, :record, TRUE, 1, :now, :now)
ON CONFLICT (source, company_id, record_id) DO NOTHING

-- places_of_record --
-- Whose messages bear this number: ids of two sources may be the same.
SELECT DISTINCT source, company_id FROM booking_notifications WHERE record_id = :record AND event_id <> :key AND notification_id <> :key LIMIT 2

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
