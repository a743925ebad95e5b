-- Of several nodes one asks a source about a salon. By itself, because a salon that was never asked has no point in poll_points.

CREATE TABLE poll_turns (
    source TEXT NOT NULL,
    company_id BIGINT NOT NULL,
    lease_owner TEXT NOT NULL,
    lease_until @time NOT NULL,
    PRIMARY KEY (source, company_id)
);
