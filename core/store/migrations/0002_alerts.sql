-- An alert is told once until its cause is over. What Vestnik says for itself (source 'vestnik': alerts, answers, tests) is no client's
-- notification, so statistics leave it out.

ALTER TABLE alerts ADD COLUMN over_at @time;

DROP VIEW notification_stats_24h;
CREATE VIEW notification_stats_24h AS
SELECT notification_type,
       SUM(CASE WHEN status IN ('sent', 'delivered', 'read', 'unclear') THEN 1 ELSE 0 END) AS total_sent,
       SUM(CASE WHEN status IN ('delivered', 'read') THEN 1 ELSE 0 END) AS delivered,
       SUM(CASE WHEN status = 'read' THEN 1 ELSE 0 END) AS read,
       SUM(CASE WHEN status IN ('failed', 'expired') THEN 1 ELSE 0 END) AS failed,
       SUM(CASE WHEN status IN ('pending', 'sending') THEN 1 ELSE 0 END) AS pending
FROM booking_notifications
WHERE created_at >= @yesterday AND NOT is_test AND source <> 'vestnik'
GROUP BY notification_type;
