-- wrote --
INSERT INTO contacts (phone, company_id, wrote_at, wrote_to)
SELECT r.phone, r.company_id, r.at, r.wrote_to FROM @rows r(phone text, company_id bigint, at time, wrote_to text) WHERE TRUE
ON CONFLICT (phone, company_id, wrote_to) DO UPDATE SET wrote_at = excluded.wrote_at
WHERE contacts.wrote_at IS NULL OR contacts.wrote_at < excluded.wrote_at

-- say_stop --
INSERT INTO contacts (phone, company_id, opted_out_at)
SELECT r.phone, r.company_id, r.at FROM @rows r(phone text, company_id bigint, at time) WHERE TRUE
ON CONFLICT (phone, company_id, wrote_to) DO UPDATE SET opted_out_at = excluded.opted_out_at

-- say_start --
-- Who is back with one salon is back with what all salons share; who is back there is back with all.
UPDATE contacts SET opted_out_at = NULL
FROM @rows r(phone text, company_id bigint)
WHERE contacts.phone = r.phone AND (r.company_id = 0 OR contacts.company_id IN (0, r.company_id))

-- confirm --
-- Once a day for a client, whoever asks.
INSERT INTO contacts (phone, company_id, confirmed_at)
SELECT r.phone, r.company_id, r.at FROM @rows r(phone text, company_id bigint, at time)
WHERE NOT EXISTS (SELECT 1 FROM contacts c WHERE c.phone = r.phone AND c.confirmed_at > @at(since))
ON CONFLICT (phone, company_id, wrote_to) DO UPDATE SET confirmed_at = excluded.confirmed_at
RETURNING phone

-- won --
INSERT INTO contacts (phone, company_id, won_channel, won_at)
SELECT r.phone, r.company_id, r.channel, r.at FROM @rows r(phone text, company_id bigint, channel text, at time) WHERE TRUE
ON CONFLICT (phone, company_id, wrote_to) DO UPDATE SET won_channel = excluded.won_channel, won_at = excluded.won_at

-- bind --
INSERT INTO bindings (transport, account, binding, phone, bound_at) VALUES (:transport, :account, :binding, :phone, :now)
ON CONFLICT (transport, account, binding) DO UPDATE SET phone = COALESCE(excluded.phone, bindings.phone), bound_at = excluded.bound_at

-- unbind --
DELETE FROM bindings WHERE transport = :transport AND account = :account AND binding = :binding

-- phone_of_binding --
SELECT phone FROM bindings WHERE transport = :transport AND account = :account AND binding = :binding

-- use_token --
DELETE FROM binding_tokens WHERE token = :token AND created_at > :since RETURNING phone

-- add_token --
INSERT INTO binding_tokens (token, phone, created_at) VALUES (:token, :phone, :now) ON CONFLICT (token) DO NOTHING

-- store_callback --
INSERT INTO callbacks (transport, account, payload, items, status, reason, due_at, created_at)
SELECT r.transport, r.account, r.payload, r.items, r.status, r.reason, r.at, r.at
FROM @rows r(n int, transport text, account bigint, payload text, items text, status text, reason text, at time)
ORDER BY r.n
RETURNING id

-- due_callbacks --
SELECT * FROM callbacks WHERE status IN ('received', 'unmatched') AND due_at <= :now ORDER BY due_at, id LIMIT :most @skip_locked

-- close_callbacks --
UPDATE callbacks SET status = r.status, reason = r.reason, tries = callbacks.tries + 1, due_at = r.due_at
FROM @rows r(id bigint, status text, reason text, due_at time) WHERE callbacks.id = r.id

-- next_callback --
SELECT MIN(due_at) AS due_at FROM callbacks WHERE status IN ('received', 'unmatched')

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

-- poll_point --
SELECT since, webhook_at, found_at FROM poll_points WHERE source = :source AND company_id = :company

-- set_poll_point --
INSERT INTO poll_points (source, company_id, since, found_at) VALUES (:source, :company, :since, :found)
ON CONFLICT (source, company_id) DO UPDATE SET since = excluded.since, found_at = COALESCE(excluded.found_at, poll_points.found_at)
