-- hold_accounts --
-- The row of each account, made where there is none. Who has it holds it to the end of the transaction: nodes do not overtake each other.
INSERT INTO pacing (transport, account)
SELECT r.transport, r.account FROM @rows r(n int, transport text, account bigint) WHERE TRUE ORDER BY r.n
ON CONFLICT (transport, account) DO UPDATE SET last_at = pacing.last_at
RETURNING transport, account, last_at

-- promised_turns --
-- The last turn of each account that somebody waits for.
SELECT r.n, (SELECT MAX(n.turn_at) FROM booking_notifications n
             WHERE n.transport = r.transport AND n.account = r.account AND n.status = 'pending' AND n.turn_at IS NOT NULL) AS promised_at
FROM @rows r(n int, transport text, account bigint)

-- known_recipients --
-- When each of these clients was last written to by this account, also before it was paced.
SELECT r.n, COALESCE(p.last_at, (SELECT MAX(b.sent_at) FROM booking_notifications b
                                 WHERE b.phone = r.phone AND b.transport = r.transport AND b.account = r.account)) AS last_at
FROM @rows r(n int, transport text, account bigint, phone text)
LEFT JOIN recipients p ON p.transport = r.transport AND p.account = r.account AND p.phone = r.phone

-- first_contacts --
SELECT r.n, p.first_at
FROM @rows r(n int, transport text, account bigint)
JOIN recipients p ON p.transport = r.transport AND p.account = r.account
WHERE p.first_at > :since
ORDER BY p.first_at

-- note_turns --
UPDATE pacing SET last_at = r.last_at FROM @rows r(transport text, account bigint, last_at time)
WHERE pacing.transport = r.transport AND pacing.account = r.account

-- note_recipients --
INSERT INTO recipients (transport, account, phone, first_at, last_at)
SELECT r.transport, r.account, r.phone, r.first_at, r.last_at
FROM @rows r(transport text, account bigint, phone text, first_at time, last_at time) WHERE TRUE
ON CONFLICT (transport, account, phone) DO UPDATE SET last_at = excluded.last_at
