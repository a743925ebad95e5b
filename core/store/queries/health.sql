-- pause --
-- Sends that fail beside one another count as one failure; what a probe finds counts as none.
INSERT INTO transport_health (transport, account, reason, limited, failures, paused_at, paused_until, updated_at)
VALUES (:transport, :account, :reason, :limited, :failures, :now, :until, :now)
ON CONFLICT (transport, account) DO UPDATE SET reason = excluded.reason,
    limited = excluded.limited AND (transport_health.reason IS NULL OR transport_health.limited),
    failures = transport_health.failures + CASE WHEN transport_health.paused_until > excluded.updated_at THEN 0 ELSE excluded.failures END,
    paused_at = COALESCE(transport_health.paused_at, excluded.paused_at), updated_at = excluded.updated_at,
    paused_until = CASE WHEN transport_health.paused_until > excluded.paused_until THEN transport_health.paused_until ELSE excluded.paused_until END

-- works --
UPDATE transport_health SET reason = NULL, failures = 0, paused_at = NULL, paused_until = NULL, updated_at = :now
WHERE transport = :transport AND account = :account

-- returns --
-- It says that it works. Only a message that it takes proves it: until then the next failure counts on.
UPDATE transport_health SET reason = NULL, paused_at = NULL, paused_until = NULL, updated_at = :now
WHERE transport = :transport AND account = :account

-- health --
SELECT * FROM transport_health
