-- receive --
-- One statement for all webhooks that wait: it commits by itself. A repeat is counted on its original row.
@ringing INSERT INTO webhook_events (event_id, source, event_type, company_id, record_id, external_id, transport_id, digest, payload, status, reason,
                            is_test, is_import, repeats, due_at, created_at, processed_at)
SELECT r.event_id, r.source, r.event_type, r.company_id, r.record_id, r.external_id, r.transport_id, r.digest, r.payload, r.status, r.reason,
       r.is_test, r.is_import, r.repeats, r.at, r.at, CASE WHEN r.status = 'received' THEN NULL ELSE r.at END
FROM @rows r(event_id text, source text, event_type text, company_id bigint, record_id bigint, external_id text, transport_id text, digest text,
             payload text, status text, reason text, is_test bool, is_import bool, repeats int, at time)
WHERE TRUE
ON CONFLICT (event_id) DO UPDATE SET repeats = webhook_events.repeats + excluded.repeats + 1
RETURNING event_id, repeats @rung

-- news --
-- Of what a poll found, what is not known yet: neither in a snapshot nor in an undecided event.
SELECT r.event_id
FROM @rows r(event_id text, source text, company_id bigint, record_id bigint, digest text)
WHERE NOT EXISTS (SELECT 1 FROM appointments_cache a WHERE a.source = r.source AND a.company_id = r.company_id AND a.record_id = r.record_id
                  AND a.digest = r.digest)
  AND NOT EXISTS (SELECT 1 FROM webhook_events e WHERE e.source = r.source AND e.company_id = r.company_id AND e.record_id = r.record_id
                  AND e.status IN ('received', 'deferred') AND e.digest = r.digest)

-- claim_events --
-- What is due, with the other undecided events of the same bookings: they are decided together. Not bookings with a request open at a
-- gateway: they are decided when its fate is known. What was claimed in vain may have killed its worker: it is tried alone (below), and what
-- came after it for the same booking waits, because an older deletion that is decided later counts.
WITH due AS (
    SELECT e.id, e.source, e.company_id, e.record_id, e.is_test FROM webhook_events e
    WHERE e.status IN ('received', 'deferred') AND e.due_at <= :now AND (e.lease_until IS NULL OR e.lease_until < :now)
      AND e.claims = 0
      AND NOT EXISTS (SELECT 1 FROM booking_notifications n WHERE n.status = 'sending' AND n.source = e.source
                      AND n.company_id = e.company_id AND n.record_id = e.record_id)
      AND (NOT EXISTS (SELECT 1 FROM webhook_events s WHERE s.status IN ('received', 'deferred') AND s.claims > 0
                       AND (s.claims > 1 OR s.lease_until < :now))
           OR NOT EXISTS (SELECT 1 FROM webhook_events o WHERE o.status IN ('received', 'deferred') AND o.source = e.source
                      AND o.company_id = e.company_id AND o.record_id = e.record_id AND NOT o.is_test
                      AND (o.claims + 0 > 1 OR (o.claims + 0 = 1 AND o.lease_until < :now))))
    ORDER BY e.due_at, e.id LIMIT :most @skip_locked)
UPDATE webhook_events
SET lease_owner = :owner, lease_token = :token, lease_until = :until, attempts = attempts + 1, claims = claims + 1
WHERE id IN (
    SELECT id FROM due
    UNION SELECT e.id FROM due d
    JOIN webhook_events e ON e.source = d.source AND e.company_id = d.company_id AND e.record_id = d.record_id
    WHERE NOT d.is_test AND NOT e.is_test AND e.status IN ('received', 'deferred') AND e.claims + 0 = 0)
  AND (lease_until IS NULL OR lease_until < :now)
RETURNING *

-- claim_suspect_event --
-- One that was claimed in vain, so often at the `least`, without its peers: the least suspect first, so that chance deaths are shared out and
-- a killer stays behind.
UPDATE webhook_events
SET lease_owner = :owner, lease_token = :token, lease_until = :until, attempts = attempts + 1, claims = claims + 1
WHERE id IN (
    SELECT e.id FROM webhook_events e
    WHERE e.status IN ('received', 'deferred') AND e.due_at <= :now AND (e.lease_until IS NULL OR e.lease_until < :now)
      AND e.claims >= :least
      AND NOT EXISTS (SELECT 1 FROM booking_notifications n WHERE n.status = 'sending' AND n.source = e.source
                      AND n.company_id = e.company_id AND n.record_id = e.record_id)
    ORDER BY e.claims, e.due_at, e.id LIMIT 1 @skip_locked)
RETURNING *

-- orphan_events --
-- A file's lock proves that this owner, or whoever held a lease (''), is dead: nobody waits for it to lapse.
UPDATE webhook_events SET lease_until = :past
WHERE lease_until IS NOT NULL AND status IN ('received', 'deferred') AND (:owner = '' OR lease_owner = :owner)

-- next_event --
-- Each is the first of its stretch of the index.
SELECT MIN(due_at) AS due_at FROM (
    SELECT MIN(due_at) AS due_at FROM webhook_events
    WHERE status IN ('received', 'deferred') AND claims = 0 AND (lease_until IS NULL OR lease_until < :now)
    UNION ALL SELECT MIN(due_at) FROM webhook_events
    WHERE status IN ('received', 'deferred') AND claims > 0 AND (lease_until IS NULL OR lease_until < :now)) AS moments

-- early_events --
-- Made in the future: the clock has been put back since, and what waits would wait for as long as it jumped.
UPDATE webhook_events SET due_at = :now WHERE status IN ('received', 'deferred') AND due_at > :now AND created_at > :now

-- cut_event_leases --
-- No lease lies further ahead than one: the clock has been put back since. Who lives renews it in time; who is dead is waited for no longer.
UPDATE webhook_events SET lease_until = :until WHERE status IN ('received', 'deferred') AND claims > 0 AND lease_until > :far

-- let_go_events --
-- The database could not take what became of them: nobody died of that, but they are tried alone.
UPDATE webhook_events SET lease_until = :past, claims = CASE WHEN webhook_events.claims > 1 THEN webhook_events.claims - 1 ELSE 1 END
FROM @rows r(id bigint, token bigint)
WHERE webhook_events.id = r.id AND webhook_events.lease_token = r.token AND webhook_events.lease_until IS NOT NULL
  AND webhook_events.status || '' IN ('received', 'deferred')

-- renew_events --
UPDATE webhook_events SET lease_until = :until FROM @rows r(id bigint, token bigint)
WHERE webhook_events.id = r.id AND webhook_events.lease_token = r.token AND webhook_events.lease_until IS NOT NULL
  AND webhook_events.status || '' IN ('received', 'deferred')

-- release_events --
UPDATE webhook_events SET lease_owner = NULL, lease_until = NULL, claims = 0 WHERE lease_owner = :owner AND status IN ('received', 'deferred')

-- refuse --
INSERT INTO refusals (source, hour, count) VALUES (:source, :hour, 1)
ON CONFLICT (source, hour) DO UPDATE SET count = refusals.count + 1

-- replay_events --
UPDATE webhook_events SET status = 'received', due_at = :now, claims = 0, lease_owner = NULL, lease_until = NULL
WHERE (event_id = :key OR record_id = :record) AND payload IS NOT NULL AND status NOT IN ('received', 'deferred')
  AND NOT (event_type = 'unreadable' AND status = 'processed') -- read again: its events are rows of their own
RETURNING event_id, event_type, company_id, record_id

-- hurry_events --
-- What waits is asked about now.
UPDATE webhook_events SET due_at = :now
WHERE (event_id = :key OR record_id = :record) AND status = 'deferred' AND due_at > :now AND (lease_until IS NULL OR lease_until < :now)
RETURNING event_id

-- item_of_event --
SELECT event_type, payload, company_id, record_id, external_id, is_test FROM webhook_events WHERE event_id = :event

-- last_webhook --
SELECT MAX(created_at) AS at FROM webhook_events
WHERE source = :source AND company_id = :company AND NOT is_test AND (transport_id IS NULL OR transport_id <> :polled)

-- poll_point --
SELECT since FROM poll_points WHERE source = :source AND company_id = :company

-- take_poll_turn --
-- Nobody's, ours, or of somebody who is gone. (One that reaches further than ours was taken by a clock that has been put back since.)
INSERT INTO poll_turns (source, company_id, lease_owner, lease_until) VALUES (:source, :company, :owner, :until)
ON CONFLICT (source, company_id) DO UPDATE SET lease_owner = excluded.lease_owner, lease_until = excluded.lease_until
WHERE poll_turns.lease_owner = excluded.lease_owner OR poll_turns.lease_until < @at(now) OR poll_turns.lease_until > excluded.lease_until
RETURNING company_id

-- leave_poll_turn --
DELETE FROM poll_turns WHERE source = :source AND company_id = :company AND lease_owner = :owner

-- leave_poll_turns --
DELETE FROM poll_turns WHERE :owner = '' OR lease_owner = :owner

-- set_poll_point --
INSERT INTO poll_points (source, company_id, since, found_at) VALUES (:source, :company, :since, :found)
ON CONFLICT (source, company_id) DO UPDATE SET since = excluded.since, found_at = COALESCE(excluded.found_at, poll_points.found_at)
