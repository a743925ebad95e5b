-- Who has left a bot and comes back is still the same client: the binding rests meanwhile.

ALTER TABLE bindings ADD COLUMN gone BOOLEAN NOT NULL DEFAULT FALSE;
