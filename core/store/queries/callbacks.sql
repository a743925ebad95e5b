-- store_callback --
INSERT INTO callbacks (transport, account, payload, items, status, reason, due_at, created_at)
SELECT r.transport, r.account, r.payload, r.items, r.status, r.reason, r.at, r.at
FROM @rows r(n int, transport text, account bigint, payload text, items text, status text, reason text, at time)
ORDER BY r.n
RETURNING id

-- claim_callbacks --
-- No lease lies as far ahead as two: the clock has been put back since.
UPDATE callbacks SET lease_owner = :owner, lease_token = :token, lease_until = :until
WHERE id IN (
    SELECT id FROM callbacks
    WHERE status IN ('received', 'unmatched') AND due_at <= :now AND (lease_until IS NULL OR lease_until < :now OR lease_until > :far)
    ORDER BY due_at, id LIMIT :most @skip_locked)
RETURNING *

-- close_callbacks --
UPDATE callbacks SET status = r.status, reason = r.reason, tries = callbacks.tries + 1, failures = r.failures, due_at = r.due_at,
    lease_owner = NULL, lease_until = NULL
FROM @rows r(id bigint, token bigint, status text, reason text, failures int, due_at time)
WHERE callbacks.id = r.id AND callbacks.lease_token = r.token

-- renew_callbacks --
UPDATE callbacks SET lease_until = :until FROM @rows r(id bigint, token bigint)
WHERE callbacks.id = r.id AND callbacks.lease_token = r.token AND callbacks.lease_until IS NOT NULL

-- orphan_callbacks --
UPDATE callbacks SET lease_until = :past
WHERE lease_until IS NOT NULL AND status IN ('received', 'unmatched') AND (:owner = '' OR lease_owner = :owner)

-- release_callbacks --
UPDATE callbacks SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = :owner AND status IN ('received', 'unmatched')

-- replay_callbacks --
-- What was parked, of one transport.
UPDATE callbacks SET status = 'received', tries = 0, failures = 0, due_at = :now WHERE transport = :transport AND status = 'parked' RETURNING id

-- next_callback --
SELECT MIN(due_at) AS due_at FROM callbacks WHERE status IN ('received', 'unmatched')
