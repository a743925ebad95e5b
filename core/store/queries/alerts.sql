-- note_alerts --
-- What has not been noticed for a day was over, whoever forgot to say so.
INSERT INTO alerts (key, text, first_at, last_at)
SELECT r.key, r.text, @at(now), @at(now) FROM @rows r(key text, text text) WHERE TRUE
ON CONFLICT (key) DO UPDATE SET text = excluded.text, count = alerts.count + 1, last_at = excluded.last_at,
    over_at = CASE WHEN alerts.last_at <= @at(quiet) THEN COALESCE(alerts.over_at, alerts.last_at) ELSE alerts.over_at END

-- tell_alerts --
-- Once, and again only after it was over; never twice within `every`, and of one place no more than three reasons in that time.
UPDATE alerts SET told_at = :now, over_at = NULL
WHERE key IN (SELECT r.key FROM @rows r(key text, about text)
              WHERE (SELECT COUNT(*) FROM alerts o WHERE substr(o.key, 1, length(r.about) + 2) = r.about || ' #' AND o.told_at > :before) < 3)
  AND (told_at IS NULL OR (over_at IS NOT NULL AND told_at <= :before))
RETURNING key

-- end_alerts --
UPDATE alerts SET over_at = :now WHERE key IN (SELECT r.key FROM @rows r(key text)) AND (over_at IS NULL OR over_at < last_at)

-- withdraw_alerts --
-- What still waits would tell of something that is over.
UPDATE booking_notifications SET status = 'superseded', error = 'it is over', finished_at = :now, fallback_at = NULL, lease_owner = NULL, lease_until = NULL
WHERE source = 'vestnik' AND status = 'pending' AND event_id IN (SELECT r.event_id FROM @rows r(event_id text))

-- open_alerts --
-- What was noticed again after it was over, is not over.
SELECT key FROM alerts WHERE (over_at IS NULL OR over_at < last_at) AND key NOT LIKE 'call %'

-- known_alerts --
SELECT a.key FROM @rows r(key text) JOIN alerts a ON a.key = r.key

-- alerts --
-- What became of the last message to the owner stands beside it. (`+ 0`: PostgreSQL would look for the greatest id through all messages.)
SELECT a.key, a.text, a.count, a.first_at, a.last_at, a.told_at, CASE WHEN a.over_at >= a.last_at THEN a.over_at END AS over_at,
       n.channel, n.status
FROM alerts a
LEFT JOIN booking_notifications n ON n.id = (SELECT MAX(m.id + 0) FROM booking_notifications m WHERE m.event_id = 'alert ' || a.key)
WHERE a.last_at >= :since ORDER BY a.last_at DESC

-- parked_causes --
SELECT DISTINCT COALESCE(rule, source) AS place, COALESCE(company_id, 0) AS number FROM webhook_events WHERE status = 'parked'
UNION SELECT transport, account FROM callbacks WHERE status = 'parked'
