-- erase_events --
-- A body has the phone as its sender writes it: "8 (900) 000-00-88".
DELETE FROM webhook_events WHERE (source, company_id, record_id) IN (SELECT source, company_id, record_id FROM appointments_cache WHERE client_phone = :phone)
   OR event_id IN (SELECT event_id FROM booking_notifications WHERE phone = :phone)
   OR REPLACE(REPLACE(REPLACE(REPLACE(payload, ' ', ''), '-', ''), '(', ''), ')', '') LIKE :digits
RETURNING event_id

-- erase_notifications --
-- What was written to the owner about a client names the client.
DELETE FROM booking_notifications WHERE phone = :phone OR (source = 'vestnik' AND (body LIKE :digits OR message LIKE :digits))
   OR (source, company_id, record_id) IN (SELECT source, company_id, record_id FROM appointments_cache WHERE client_phone = :phone)
RETURNING notification_id, event_id

-- erase_journal --
DELETE FROM journal WHERE event_id IN (SELECT r.event_id FROM @rows r(event_id text))

-- erase_steps --
DELETE FROM journal WHERE notification_id IN (SELECT r.notification_id FROM @rows r(notification_id text))

-- erase_calls --
DELETE FROM alerts WHERE key IN (SELECT 'call ' || r.notification_id FROM @rows r(notification_id text))

-- erase_bookings --
DELETE FROM appointments_cache WHERE client_phone = :phone RETURNING record_id

-- erase_contact --
DELETE FROM contacts WHERE phone = :phone RETURNING phone

-- erase_bindings --
DELETE FROM bindings WHERE phone = :phone OR binding LIKE :digits

-- erase_tokens --
DELETE FROM binding_tokens WHERE phone = :phone

-- erase_recipient --
DELETE FROM recipients WHERE phone = :phone

-- erase_callbacks --
DELETE FROM callbacks WHERE payload LIKE :digits OR items LIKE :digits OR reason LIKE :digits

-- blot_bookings --
-- Another client's by now. Whatever the former one knew is nothing that this one knows. A decision under way has read what is gone: it begins again.
UPDATE appointments_cache SET version = version + 1, snapshot = REPLACE(snapshot, :number, '…'),
    announced = CASE WHEN @field(announced, phone) = :phone THEN NULL ELSE REPLACE(announced, :number, '…') END,
    attempted = CASE WHEN @field(attempted, phone) = :phone THEN NULL ELSE REPLACE(attempted, :number, '…') END
WHERE snapshot LIKE :digits OR announced LIKE :digits OR attempted LIKE :digits

-- blot_notifications --
-- Messages to another client that follow on what the former one was told.
UPDATE booking_notifications SET message = REPLACE(message, :number, '…'), body = REPLACE(body, :number, '…'), error = REPLACE(error, :number, '…'),
    told = CASE WHEN @field(told, phone) = :phone THEN NULL ELSE REPLACE(told, :number, '…') END,
    known_before = CASE WHEN @field(known_before, phone) = :phone THEN NULL ELSE REPLACE(known_before, :number, '…') END
WHERE told LIKE :digits OR known_before LIKE :digits OR message LIKE :digits OR body LIKE :digits OR error LIKE :digits

-- blot_events --
UPDATE webhook_events SET reason = REPLACE(reason, :number, '…') WHERE reason LIKE :digits

-- blot_journal --
-- The verdict and its reason stay; the case that it was given names the former client.
UPDATE journal SET reason = REPLACE(reason, :number, '…'), detail = CASE WHEN detail LIKE :digits THEN NULL ELSE detail END
WHERE detail LIKE :digits OR reason LIKE :digits

-- blot_alerts --
UPDATE alerts SET text = REPLACE(text, :number, '…') WHERE text LIKE :digits
