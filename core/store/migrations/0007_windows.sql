-- To which transport a client wrote last, and whether an account that is left alone only keeps to a rate.

ALTER TABLE contacts ADD COLUMN wrote_to TEXT;  -- NULL: another bot says so, and nobody knows where
ALTER TABLE transport_health ADD COLUMN limited BOOLEAN NOT NULL DEFAULT FALSE; -- it works, and may take more a moment later
