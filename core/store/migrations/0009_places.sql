-- When a client last wrote to each transport, not to the last one alone; and the templates that a gateway refuses.

CREATE TABLE contacts_by_place (
    phone TEXT NOT NULL,
    company_id BIGINT NOT NULL,             -- 0: all salons
    wrote_to TEXT NOT NULL DEFAULT '',      -- the transport that they wrote to; '': another bot says so, and nobody knows where
    wrote_at @time,
    opted_out_at @time,                     -- this and what follows stands beside '' alone
    confirmed_at @time,                     -- the last answer to СТОП or СТАРТ
    won_channel TEXT,                       -- the channel that reached them
    won_at @time,
    PRIMARY KEY (phone, company_id, wrote_to)
);
INSERT INTO contacts_by_place (phone, company_id, wrote_at, opted_out_at, confirmed_at, won_channel, won_at)
SELECT phone, company_id, CASE WHEN wrote_to IS NULL THEN wrote_at END, opted_out_at, confirmed_at, won_channel, won_at FROM contacts;
INSERT INTO contacts_by_place (phone, company_id, wrote_to, wrote_at)
SELECT phone, company_id, wrote_to, wrote_at FROM contacts WHERE wrote_to IS NOT NULL;
DROP TABLE contacts;
ALTER TABLE contacts_by_place RENAME TO contacts;

CREATE TABLE refused_templates (
    transport TEXT NOT NULL,
    account BIGINT NOT NULL,
    template TEXT NOT NULL,                 -- as the transport names it
    reason TEXT NOT NULL,
    times INTEGER NOT NULL,                 -- how often it was refused, one try after the other
    again_at @time NOT NULL,                -- then a message may leave by it again
    PRIMARY KEY (transport, account, template)
);
