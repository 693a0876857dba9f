-- Lines of statements that a party disputes, what the other party says to it, and what comes of it.

-- How many days after its cycle's end a line may be disputed.
ALTER TABLE settlement.policy
    ADD COLUMN dispute_days int NOT NULL DEFAULT 30 CHECK (dispute_days BETWEEN 1 AND 3650);
GRANT SELECT (dispute_days) ON settlement.policy TO coalition_reports;

-- Once for each line, for good: that two dispute the same one at once shows here.
CREATE TABLE settlement.dispute (
    dispute_id      uuid        PRIMARY KEY,
    obligation_id   uuid        NOT NULL REFERENCES settlement.obligation,
    n               int         CHECK (n > 0),  -- the line's place in it; NULL: it has no lines, and is one itself
    payer_id        uuid        NOT NULL,       -- these as the obligation has them, the amount as the line does
    payee_id        uuid        NOT NULL,
    currency        text        NOT NULL,
    amount_minor    bigint      NOT NULL CHECK (amount_minor <> 0),
    raised_by_id    uuid        NOT NULL,
    reason          text        NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    raised_by       text        NOT NULL,       -- the person or client
    raised_at       timestamptz NOT NULL,
    day             date        NOT NULL,       -- with which the line leaves the net
    entry_id        uuid        NOT NULL UNIQUE REFERENCES settlement.entry,
    idempotency_key text        CHECK (length(idempotency_key) BETWEEN 1 AND 128),
    request_hash    bytea       CHECK (length(request_hash) = 32),
    UNIQUE NULLS NOT DISTINCT (obligation_id, n),
    UNIQUE (raised_by_id, idempotency_key),
    CHECK (raised_by_id IN (payer_id, payee_id)),
    CHECK ((idempotency_key IS NULL) = (request_hash IS NULL))
);
CREATE INDEX dispute_of_payer ON settlement.dispute (payer_id, dispute_id);
CREATE INDEX dispute_of_payee ON settlement.dispute (payee_id, dispute_id);
CREATE INDEX dispute_of_day ON settlement.dispute (day);

-- What the party says to it that did not dispute the line.
CREATE TABLE settlement.dispute_answer (
    dispute_id  uuid        PRIMARY KEY REFERENCES settlement.dispute,
    comment     text        NOT NULL CHECK (length(comment) BETWEEN 1 AND 500),
    answered_by text        NOT NULL,
    answered_at timestamptz NOT NULL
);

-- What comes of it: `back_minor` of the line comes back into the net with `day`.
CREATE TABLE settlement.dispute_resolution (
    dispute_id  uuid        PRIMARY KEY REFERENCES settlement.dispute,
    outcome     text        NOT NULL CHECK (outcome IN ('upheld', 'rejected', 'part')),
    back_minor  bigint      NOT NULL,
    reason      text        NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    resolved_by text        NOT NULL,
    approved_by text,
    resolved_at timestamptz NOT NULL,
    day         date        NOT NULL,
    entry_id    uuid        UNIQUE REFERENCES settlement.entry,
    CHECK ((outcome = 'upheld') = (back_minor = 0)),
    CHECK ((entry_id IS NULL) = (back_minor = 0))
);
CREATE INDEX dispute_resolution_of_day ON settlement.dispute_resolution (day);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['dispute', 'dispute_answer', 'dispute_resolution']
    LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.%I
            FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change()', name);
        EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.%I
            FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change()', name);
        EXECUTE format('ALTER TABLE settlement.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY everything ON settlement.%I TO coalition_service, coalition_reports USING (true)',
            name);
        EXECUTE format('GRANT SELECT, INSERT ON settlement.%I TO coalition_service', name);
    END LOOP;
END $$;
CREATE POLICY own ON settlement.dispute TO coalition_tenant USING (kit.partner() IN (payer_id, payee_id));
-- A subquery is itself answered as that partner.
CREATE POLICY own ON settlement.dispute_answer TO coalition_tenant
    USING (EXISTS (SELECT FROM settlement.dispute d WHERE d.dispute_id = dispute_answer.dispute_id));
CREATE POLICY own ON settlement.dispute_resolution TO coalition_tenant
    USING (EXISTS (SELECT FROM settlement.dispute d WHERE d.dispute_id = dispute_resolution.dispute_id));

-- Both parties see what is said, not which person or client says it.
GRANT SELECT (dispute_id, obligation_id, n, payer_id, payee_id, currency, amount_minor, raised_by_id, reason, raised_at,
    day) ON settlement.dispute TO coalition_tenant;
GRANT SELECT (dispute_id, comment, answered_at) ON settlement.dispute_answer TO coalition_tenant;
GRANT SELECT (dispute_id, outcome, back_minor, reason, resolved_at, day) ON settlement.dispute_resolution
    TO coalition_tenant;
GRANT SELECT (dispute_id, obligation_id, n, payer_id, payee_id, currency, amount_minor, raised_by_id, raised_at, day,
    entry_id) ON settlement.dispute TO coalition_reports;
GRANT SELECT (dispute_id, outcome, back_minor, resolved_at, day, entry_id) ON settlement.dispute_resolution
    TO coalition_reports;
