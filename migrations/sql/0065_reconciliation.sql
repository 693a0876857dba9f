-- Partners' own files, compared with what they posted, and what differs.

-- How a partner's file is read. A change is a new version.
CREATE TABLE settlement.partner_mapping (
    partner_id uuid        NOT NULL REFERENCES partners.partner,
    version    int         NOT NULL CHECK (version > 0),
    mapping    jsonb       NOT NULL,
    set_at     timestamptz NOT NULL,
    set_by     text        NOT NULL,
    PRIMARY KEY (partner_id, version)
);

-- What came of a file for a span of days, when it was last compared. The same file again is the same row.
CREATE TABLE settlement.reconciliation (
    reconciliation_id uuid        PRIMARY KEY,
    partner_id        uuid        NOT NULL,
    file_sha256       bytea       NOT NULL CHECK (length(file_sha256) = 32),
    mapping_version   int         NOT NULL,
    first_day         date        NOT NULL,
    last_day          date        NOT NULL,
    tolerance_points  bigint      NOT NULL CHECK (tolerance_points >= 0),
    tolerance_days    int         NOT NULL CHECK (tolerance_days >= 0),
    lines             bigint      NOT NULL,  -- that belong to the span
    passed_over       bigint      NOT NULL,  -- of another day, or of a kind that the mapping leaves out
    postings          bigint      NOT NULL,  -- of the ledger, on the span's days
    by_reference      bigint      NOT NULL,
    by_member         bigint      NOT NULL,
    by_tolerance      bigint      NOT NULL,
    breaks            bigint      NOT NULL,
    compared_at       timestamptz NOT NULL,
    compared_by       text        NOT NULL,
    CHECK (first_day <= last_day),
    UNIQUE (partner_id, file_sha256, first_day, last_day, mapping_version, tolerance_points, tolerance_days),
    FOREIGN KEY (partner_id, mapping_version) REFERENCES settlement.partner_mapping
);
CREATE INDEX reconciliation_of_partner ON settlement.reconciliation (partner_id, reconciliation_id);

-- What differs: a line of a partner's file (line_…), a transaction of ours, or the two of them. It keeps its id for as
-- long as it is found again.
CREATE TABLE settlement.reconciliation_break (
    break_id          uuid        PRIMARY KEY,
    partner_id        uuid        NOT NULL REFERENCES partners.partner,
    key               bytea       NOT NULL CHECK (length(key) = 32),  -- what it is known by when it is found again
    type              text        NOT NULL CHECK (type IN ('missing_here', 'missing_there', 'points_differ',
        'amount_differs', 'duplicate', 'wrong_day', 'unknown_member', 'member_differs')),
    day               date        NOT NULL,
    transaction_id    uuid,
    member_id         uuid,
    kind              text        NOT NULL,
    reference         text,
    posted_on         date,
    points            bigint,
    amount_minor      bigint,
    currency          text,
    line              bigint,
    line_reference    text,
    line_day          date,
    line_points       bigint,
    line_amount_minor bigint,
    line_currency     text,
    line_store        text,
    difference        bigint,  -- theirs less ours: points, minor units or days
    first_seen_at     timestamptz NOT NULL,
    first_seen_in     uuid        NOT NULL REFERENCES settlement.reconciliation,
    last_seen_in      uuid        NOT NULL REFERENCES settlement.reconciliation,
    load_id           uuid        NOT NULL,  -- the comparison that found it last
    owner             text,
    state             text        NOT NULL CHECK (state IN ('open', 'resolved')),
    reason            text,
    resolved_by       text,
    resolved_at       timestamptz,
    is_gone           boolean     NOT NULL,  -- resolved by a comparison that no longer found it
    UNIQUE (partner_id, key),
    CHECK ((state = 'resolved') = (resolved_at IS NOT NULL AND reason IS NOT NULL AND resolved_by IS NOT NULL)),
    CHECK (state = 'resolved' OR NOT is_gone),
    CHECK (transaction_id IS NOT NULL OR line IS NOT NULL)
);
CREATE INDEX reconciliation_break_of_partner ON settlement.reconciliation_break (partner_id, break_id);
CREATE INDEX reconciliation_break_open ON settlement.reconciliation_break (partner_id, day) WHERE state = 'open';
CREATE INDEX reconciliation_break_of_member ON settlement.reconciliation_break (member_id)
    WHERE member_id IS NOT NULL;

-- What is being compared: both sides, and which of their rows belong together. A comparison takes its rows away before
-- it commits, so nobody ever sees any, and they need not survive a crash. COPY fills it, which row-level security
-- would forbid; nobody but the service may read it.
CREATE UNLOGGED TABLE settlement.compared_row (
    load_id        uuid    NOT NULL,
    is_ours        boolean NOT NULL,
    n              bigint  NOT NULL,
    transaction_id uuid,
    kind           text    NOT NULL,
    reference      text,
    day            date    NOT NULL,
    points         bigint  NOT NULL,
    amount_minor   bigint,
    currency       text,
    member_id      uuid,
    living_id      uuid,     -- who has that member's points now
    member_key     text,     -- the same for the same member, known or not
    store          text,
    is_unknown     boolean NOT NULL,
    is_erased      boolean NOT NULL
);
CREATE UNLOGGED TABLE settlement.compared_pair (
    load_id uuid   NOT NULL,
    pass    text   NOT NULL,
    ours    bigint,  -- NULL: the line is a duplicate
    theirs  bigint NOT NULL
);

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['partner_mapping', 'reconciliation', 'reconciliation_break']
    LOOP
        EXECUTE format('ALTER TABLE settlement.%I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY everything ON settlement.%I TO coalition_service, coalition_reports
            USING (true)', name);
        EXECUTE format('CREATE POLICY own ON settlement.%I TO coalition_tenant USING (partner_id = kit.partner())',
            name);
    END LOOP;
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.partner_mapping
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.partner_mapping
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
GRANT SELECT, INSERT ON settlement.partner_mapping TO coalition_service;
GRANT SELECT, INSERT, UPDATE ON settlement.reconciliation, settlement.reconciliation_break TO coalition_service;
GRANT SELECT ON settlement.reconciliation, settlement.reconciliation_break TO coalition_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON settlement.compared_row, settlement.compared_pair TO coalition_service;
GRANT SELECT (partner_id, version, set_at) ON settlement.partner_mapping TO coalition_reports;
GRANT SELECT (reconciliation_id, partner_id, mapping_version, first_day, last_day, tolerance_points, tolerance_days,
              lines, passed_over, postings, by_reference, by_member, by_tolerance, breaks, compared_at)
    ON settlement.reconciliation TO coalition_reports;
GRANT SELECT (break_id, partner_id, type, day, transaction_id, kind, posted_on, points, amount_minor, currency, line,
              line_day, line_points, line_amount_minor, line_currency, difference, first_seen_at, state, resolved_at,
              is_gone) ON settlement.reconciliation_break TO coalition_reports;

-- What a partner posted on some days, as a file of its own would have it: a captured hold is a burn, and an earn that
-- was taken back is a clawback, whether by its reversal or without the receipt. What was no longer there to take was
-- taken back as well. The original may be another member's, which was merged since.
CREATE OR REPLACE FUNCTION coalition.posted_by(p_partner_id uuid, p_first date, p_last date)
RETURNS TABLE (
    txn_id uuid, kind text, reference text, day date, points bigint, amount_minor bigint, currency text, member_id uuid
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY WITH posted AS MATERIALIZED (
        SELECT t.txn_id, t.kind, t.reference, t.business_date, t.points + t.shortfall AS points, t.amount_minor,
               t.currency, t.member_id, t.reverses_txn_id
        FROM coalition.txn t
        WHERE t.partner_id = p_partner_id AND t.business_date BETWEEN p_first AND p_last
          AND t.kind IN ('earn', 'burn', 'capture', 'reversal', 'clawback')
    ), earned AS MATERIALIZED (
        SELECT t.txn_id FROM coalition.txn t
        WHERE t.kind = 'earn' AND t.txn_id IN (
            SELECT p.reverses_txn_id FROM posted p WHERE p.reverses_txn_id IS NOT NULL)
    )
    SELECT p.txn_id,
           CASE WHEN e.txn_id IS NOT NULL THEN 'clawback' WHEN p.kind = 'capture' THEN 'burn' ELSE p.kind::text END,
           p.reference, p.business_date, p.points, p.amount_minor, p.currency, p.member_id
    FROM posted p LEFT JOIN earned e ON e.txn_id = p.reverses_txn_id;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.posted_by FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.posted_by TO coalition_service;

-- Those of the members that there are, and whether they were erased.
CREATE OR REPLACE FUNCTION coalition.known_members(p_member_ids uuid[])
RETURNS TABLE (member_id uuid, is_erased boolean) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT m.member_id, m.erased_at IS NOT NULL
    FROM coalition.member m WHERE m.member_id = ANY (p_member_ids);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.known_members FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.known_members TO coalition_service;

-- Take members out of what partners' files and the ledger disagree about: there is no erasure without it. It waits for
-- a reconciliation that is about to write some down.
CREATE OR REPLACE FUNCTION settlement.forget_members(p_member_ids uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('settlement.breaks', 0));
    UPDATE settlement.reconciliation_break b SET member_id = NULL, line_store = NULL
    WHERE b.member_id = ANY (p_member_ids);
END $$;
REVOKE EXECUTE ON FUNCTION settlement.forget_members FROM PUBLIC;
GRANT EXECUTE ON FUNCTION settlement.forget_members TO coalition_service;
GRANT EXECUTE ON FUNCTION coalition.new_id TO coalition_service;
