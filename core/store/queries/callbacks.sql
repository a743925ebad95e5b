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
