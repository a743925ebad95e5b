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

-- gave_up --
-- The next channel is due, and stays due over a crash.
UPDATE booking_notifications SET fallback_at = r.at FROM @rows r(id bigint, at time) WHERE booking_notifications.id = r.id

-- due_checks --
UPDATE booking_notifications SET checks = checks + 1, check_at = NULL
WHERE id IN (SELECT n.id FROM booking_notifications n WHERE n.check_at <= :now AND n.status IN ('sent', 'unclear') ORDER BY n.check_at LIMIT 100 @skip_locked)
RETURNING *

-- check_again --
UPDATE booking_notifications SET check_at = r.check_at
FROM @rows r(id bigint, check_at time)
WHERE booking_notifications.id = r.id AND booking_notifications.status IN ('sent', 'unclear')
