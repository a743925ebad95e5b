-- event_stats --
SELECT * FROM webhook_stats_24h ORDER BY event_type

-- notification_stats --
SELECT * FROM notification_stats_24h ORDER BY notification_type

-- rule_stats --
SELECT rule, COUNT(*) AS times FROM webhook_events
WHERE created_at >= @yesterday AND status = 'suppressed' AND rule IS NOT NULL AND NOT is_test GROUP BY rule ORDER BY times DESC

-- put_off --
-- What waits at this moment, by who wants it to; in the words of its index.
SELECT rule, COUNT(*) AS times, MIN(due_at) AS next_at FROM webhook_events
WHERE status IN ('received', 'deferred') AND claims >= 0 AND status <> 'received' AND rule IS NOT NULL AND NOT is_test GROUP BY rule ORDER BY times DESC

-- rule_verdicts --
-- Every rule is asked, but one names the reason: here each counts that said "no" or "later" to an event.
SELECT @item(v.value, 0) AS rule, @item(v.value, 1) AS verdict, COUNT(DISTINCT j.event_id) AS times
FROM journal j JOIN webhook_events e ON e.event_id = j.event_id AND NOT e.is_test, @each(j.detail, verdicts) AS v
WHERE j.at >= @yesterday AND j.detail IS NOT NULL AND @item(v.value, 1) IN ('no', 'later')
GROUP BY 1, 2

-- broken --
-- The plugins that broke, by what the pipeline says of them in the journal and on events; `render` is named within its reason.
SELECT 'filter' AS stage, @item(v.value, 0) AS plugin, @item(v.value, 2) AS reason, COUNT(DISTINCT j.event_id) AS times,
       MAX(j.at) AS last_at, MAX(j.event_id) AS event_id
FROM journal j, @each(j.detail, verdicts) AS v
WHERE j.at >= :since AND j.detail IS NOT NULL AND @item(v.value, 1) = 'broken' GROUP BY 1, 2, 3
UNION ALL
SELECT 'source', source, reason, COUNT(*), MAX(created_at), MAX(event_id) FROM webhook_events
WHERE created_at >= :since AND status IN ('unreadable', 'parked')
  AND (reason LIKE 'source.% could not read it: %' OR reason LIKE 'source.%.receive answered %' OR reason LIKE 'source.%.normalize%')
GROUP BY source, reason
UNION ALL
SELECT stage, plugin, reason, COUNT(*), MAX(at), MAX(event_id) FROM journal
WHERE at >= :since AND ((stage = 'send' AND (reason LIKE 'the transport broke: %' OR reason LIKE 'send.% answered %'))
                        OR (stage IN ('record', 'send') AND verdict = 'broken'))
GROUP BY stage, plugin, reason
UNION ALL
SELECT 'render', NULL, reason, COUNT(*), MAX(at), MAX(event_id) FROM journal
WHERE at >= :since AND stage = 'send' AND reason LIKE '%render.%: %' GROUP BY reason

-- refused --
SELECT source, SUM(count) AS times FROM refusals WHERE hour >= :since GROUP BY source

-- dead_letters --
-- The last step of each message: what went on to another channel, or was sent again, is not dead. Not what a rule kept back: it would again.
SELECT n.* FROM booking_notifications n
WHERE n.status IN ('failed', 'expired') AND n.created_at >= :since AND NOT n.is_test AND n.source <> 'vestnik' AND n.rule IS NULL
  AND (n.status IN ('failed', 'expired', 'unclear') OR n.error = 'not delivered in time') -- in the words of its index
  AND NOT EXISTS (SELECT 1 FROM booking_notifications o WHERE o.notification_id = n.notification_id AND o.step > n.step)
ORDER BY n.created_at DESC, n.id DESC LIMIT :most

-- parked_events --
SELECT * FROM webhook_events WHERE status = 'parked' ORDER BY created_at DESC, id DESC LIMIT :most

-- unreadable_events --
SELECT * FROM webhook_events WHERE status = 'unreadable' ORDER BY created_at DESC, id DESC LIMIT :most

-- to_call --
-- A cancellation or a new time that did not get through: the last row of each such message, while the visit is not long over.
SELECT n.* FROM booking_notifications n
JOIN appointments_cache a ON a.source = n.source AND a.company_id = n.company_id AND a.record_id = n.record_id
WHERE n.created_at >= :since AND NOT n.is_test
  AND (n.status IN ('failed', 'expired', 'unclear') OR n.error = 'not delivered in time') -- in the words of its index
  AND (n.notification_type = 'booking_cancelled' OR (n.notification_type = 'booking_updated' -- or the client comes at the wrong time, or to the wrong place
       AND (COALESCE(@field(n.told, visit_at), '') <> COALESCE(@field(n.known_before, visit_at), '')
            OR COALESCE(@field(n.told, branch), '') <> COALESCE(@field(n.known_before, branch), ''))))
  AND (n.status IN ('failed', 'expired') OR (n.status = 'unclear' AND n.sent_at < :unclear_before)
       OR (n.status = 'sent' AND n.fallback_at IS NULL AND n.delivered_at IS NULL AND n.error = 'not delivered in time'))
  AND NOT EXISTS (SELECT 1 FROM booking_notifications o WHERE o.source = n.source AND o.company_id = n.company_id AND o.record_id = n.record_id
                  AND (o.id > n.id OR (o.notification_id = n.notification_id AND o.status IN ('delivered', 'read', 'pending', 'sending'))))
ORDER BY n.created_at DESC, n.id DESC LIMIT :most

-- callbacks_since --
SELECT status, COUNT(*) AS times FROM callbacks WHERE transport = :transport AND created_at >= :since GROUP BY status

-- odd_callbacks --
-- Proven, and of no use: no transport could read them, nobody knows their message, or Vestnik itself failed with them.
SELECT transport, CASE WHEN status = 'unreadable' THEN 'cannot be read' WHEN status = 'parked' THEN 'parked: vestnik replay ' || transport ELSE 'about no message of ours' END AS what,
       COUNT(*) AS times, MAX(created_at) AS last_at
FROM callbacks
WHERE created_at >= :since AND (status IN ('unreadable', 'unmatched', 'parked') OR reason = 'no message has this id')
GROUP BY 1, 2 ORDER BY 1, 2

-- event_of_key --
SELECT * FROM webhook_events WHERE event_id = :key OR record_id = :record ORDER BY id DESC LIMIT :most

-- journal_of_event --
SELECT * FROM journal WHERE event_id = :event ORDER BY id

-- notifications_of_event --
SELECT * FROM booking_notifications WHERE event_id = :event ORDER BY id

-- places_of_booking --
-- Whose booking has this number: ids of two sources may be the same.
SELECT source, company_id FROM appointments_cache WHERE record_id = :record AND snapshot IS NOT NULL

-- latest_events --
SELECT e.*, n.status AS told_status, n.channel, n.transport, n.message, n.error AS told_error, n.notification_type, n.phone
FROM (SELECT * FROM webhook_events ORDER BY id DESC LIMIT :most) e
LEFT JOIN booking_notifications n ON n.id = (SELECT MAX(m.id + 0) FROM booking_notifications m WHERE m.event_id = e.event_id)
ORDER BY e.id DESC

-- waiting --
SELECT (SELECT COUNT(*) FROM webhook_events WHERE status IN ('received', 'deferred')) AS events,
       (SELECT COUNT(*) FROM booking_notifications WHERE status IN ('pending', 'sending')) AS notifications

-- prune_bodies --
-- From `after` on: what lies before has no body any more, and is not walked over every hour.
UPDATE webhook_events SET payload = NULL WHERE id IN (
    SELECT id FROM webhook_events WHERE created_at >= :after AND created_at < :before AND payload IS NOT NULL AND status NOT IN ('received', 'deferred')
    ORDER BY created_at LIMIT :most)
RETURNING id, created_at

-- prune_events --
DELETE FROM webhook_events WHERE id IN (
    SELECT id FROM webhook_events WHERE created_at < :before AND status NOT IN ('received', 'deferred') ORDER BY created_at LIMIT :most)
RETURNING id

-- prune_notifications --
DELETE FROM booking_notifications WHERE id IN (
    SELECT id FROM booking_notifications WHERE created_at < :before AND status NOT IN ('pending', 'sending') ORDER BY created_at LIMIT :most)
RETURNING id

-- prune_journal --
DELETE FROM journal WHERE id IN (SELECT id FROM journal WHERE at < :before ORDER BY at LIMIT :most)
RETURNING id

-- prune_callbacks --
DELETE FROM callbacks WHERE id IN (SELECT id FROM callbacks WHERE created_at < :before ORDER BY created_at LIMIT :most)
RETURNING id

-- prune_refusals --
DELETE FROM refusals WHERE (source, hour) IN (SELECT source, hour FROM refusals WHERE hour < :before LIMIT :most)
RETURNING source

-- prune_tokens --
DELETE FROM binding_tokens WHERE token IN (SELECT token FROM binding_tokens WHERE created_at < :before LIMIT :most)
RETURNING token

-- prune_alerts --
DELETE FROM alerts WHERE key IN (SELECT key FROM alerts WHERE last_at < :before ORDER BY last_at LIMIT :most)
RETURNING key

-- prune_templates --
DELETE FROM refused_templates WHERE (transport, account, template) IN (
    SELECT transport, account, template FROM refused_templates WHERE again_at < :before LIMIT :most)
RETURNING template

-- prune_recipients --
DELETE FROM recipients WHERE (transport, account, phone) IN (
    SELECT transport, account, phone FROM recipients WHERE last_at < :before ORDER BY last_at LIMIT :most)
RETURNING phone

-- prune_bookings --
-- Long after the visit, so that a late edit of an old record is not taken for a new booking while its events are kept.
DELETE FROM appointments_cache WHERE (source, company_id, record_id) IN (
    SELECT source, company_id, record_id FROM appointments_cache
    WHERE visit_at < :before AND updated_at < :before ORDER BY visit_at LIMIT :most)
RETURNING record_id

-- prune_tombstones --
DELETE FROM appointments_cache WHERE (source, company_id, record_id) IN (
    SELECT source, company_id, record_id FROM appointments_cache
    WHERE visit_at IS NULL AND updated_at < :before ORDER BY visit_at LIMIT :most)
RETURNING record_id
