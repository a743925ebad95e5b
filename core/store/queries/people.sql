-- known_people --
-- What is known of clients, a row for each thing: what they said, and when they were last sent something.
SELECT r.n, c.company_id, c.wrote_at, c.wrote_to, c.opted_out_at, c.won_channel, c.won_at, NULL AS sent_at
FROM @rows r(n int, phone text, company_id bigint)
JOIN contacts c ON c.phone = r.phone AND c.company_id IN (0, r.company_id)
UNION ALL
SELECT r.n, NULL, NULL, NULL, NULL, NULL, NULL, n.sent_at
FROM @rows r(n int, phone text, company_id bigint)
JOIN booking_notifications n ON n.phone = r.phone AND n.sent_at > :since
WHERE n.company_id = r.company_id AND n.status IN ('sent', 'delivered', 'read', 'unclear') AND n.step + 0 = 0 AND n.source <> 'vestnik'
ORDER BY sent_at

-- known_bindings --
SELECT r.n, b.binding
FROM @rows r(n int, phone text, transport text, account bigint)
JOIN bindings b ON b.phone = r.phone AND b.transport = r.transport AND b.account = r.account AND NOT b.gone
ORDER BY b.bound_at

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
ON CONFLICT (transport, account, binding) DO UPDATE SET phone = COALESCE(excluded.phone, bindings.phone), bound_at = excluded.bound_at, gone = FALSE

-- unbind --
UPDATE bindings SET gone = TRUE WHERE transport = :transport AND account = :account AND binding = :binding

-- phone_of_binding --
-- Who writes is there.
UPDATE bindings SET gone = FALSE WHERE transport = :transport AND account = :account AND binding = :binding RETURNING phone

-- use_token --
DELETE FROM binding_tokens WHERE token = :token AND created_at > :since RETURNING phone

-- add_token --
INSERT INTO binding_tokens (token, phone, created_at) VALUES (:token, :phone, :now) ON CONFLICT (token) DO NOTHING
