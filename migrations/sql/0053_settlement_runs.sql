-- Obligations of every kind, with their lines; runs that gather days, each with its state, positions and payments.

-- Parties are partners and the coalition itself, which is named by its programme's id.
ALTER TABLE settlement.obligation
    DROP CONSTRAINT obligation_payer_id_fkey,
    DROP CONSTRAINT obligation_payee_id_fkey,
    DROP CONSTRAINT obligation_pkey,
    ALTER COLUMN agreement_id DROP NOT NULL,
    ADD COLUMN obligation_id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN kind text NOT NULL DEFAULT 'redemption' CHECK (kind IN
        ('redemption', 'issue', 'breakage', 'fee', 'fee_minimum', 'vat', 'promotion', 'adjustment', 'dispute')),
    ADD COLUMN cycle text NOT NULL DEFAULT 'daily' CHECK (cycle IN ('daily', 'weekly', 'monthly')),
    ADD COLUMN lines_digest bytea CHECK (length(lines_digest) = 32),  -- NULL: the version before kept no lines
    ADD PRIMARY KEY (obligation_id),
    ADD UNIQUE NULLS NOT DISTINCT (day, payer_id, payee_id, kind, currency, agreement_id),
    ADD CHECK (payer_id <> payee_id);

-- A day is written with what it is for, its own row last: that has the hash over the others.
ALTER TABLE settlement.obligation ALTER CONSTRAINT obligation_day_fkey DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE settlement.set_aside
    ALTER CONSTRAINT set_aside_day_fkey DEFERRABLE INITIALLY DEFERRED,
    ALTER CONSTRAINT set_aside_settled_on_fkey DEFERRABLE INITIALLY DEFERRED;
-- 1: by the version before, its hash over statements; 2: over obligations and their lines.
ALTER TABLE settlement.settled_day ADD COLUMN form smallint NOT NULL DEFAULT 1 CHECK (form IN (1, 2));

-- On which open business day it was agreed: a day is settled by what was agreed until then, whenever that is done.
ALTER TABLE settlement.agreement ADD COLUMN agreed_on date;
GRANT SELECT (agreed_on) ON settlement.agreement TO coalition_tenant, coalition_reports;

-- The postings that an obligation is for, each with its share of the amount. Written with it, by one statement; no
-- foreign key, which would be looked up a million times.
CREATE TABLE settlement.line (
    obligation_id uuid   NOT NULL,
    n             int    NOT NULL,  -- its place, from 1
    txn_id        uuid   NOT NULL,
    seq           int    NOT NULL,  -- of the posting in its transaction
    posted_on     date   NOT NULL,  -- the business day; an earlier one where it waited for an agreement
    issued_on     date   NOT NULL,
    concerns      date   NOT NULL,  -- the day of the purchase or return itself, late ones included
    reference     text   NOT NULL,
    points        bigint NOT NULL,
    amount_minor  bigint NOT NULL,
    PRIMARY KEY (obligation_id, n)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.line
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.line
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
ALTER TABLE settlement.line ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.line TO coalition_service, coalition_reports USING (true);
-- A subquery is itself answered as that partner.
CREATE POLICY own ON settlement.line TO coalition_tenant
    USING (EXISTS (SELECT FROM settlement.obligation o WHERE o.obligation_id = line.obligation_id));
GRANT SELECT, INSERT ON settlement.line TO coalition_service;
GRANT SELECT (obligation_id, n, txn_id, seq, posted_on, issued_on, concerns, points, amount_minor)
    ON settlement.line TO coalition_reports;

-- Money between two parties that no posting tells of: it is settled with the business day that was open when it came.
CREATE TABLE settlement.entry (
    entry_id     uuid        PRIMARY KEY,
    day          date        NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('promotion', 'adjustment', 'dispute')),
    payer_id     uuid        NOT NULL,
    payee_id     uuid        NOT NULL,
    currency     text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    amount_minor bigint      NOT NULL CHECK (amount_minor <> 0),
    reference    text        NOT NULL,
    reason       text        NOT NULL,
    made_by      text        NOT NULL,
    created_at   timestamptz NOT NULL,
    UNIQUE (kind, payer_id, payee_id, reference),
    CHECK (payer_id <> payee_id)
);
CREATE INDEX entry_of_day ON settlement.entry (day);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.entry
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.entry
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
ALTER TABLE settlement.entry ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.entry TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.entry TO coalition_tenant USING (kit.partner() IN (payer_id, payee_id));
GRANT SELECT, INSERT ON settlement.entry TO coalition_service;
GRANT SELECT (entry_id, day, kind, payer_id, payee_id, currency, amount_minor, reference, created_at)
    ON settlement.entry TO coalition_reports;

-- How the coalition settles: one row.
CREATE TABLE settlement.policy (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    netting       text    NOT NULL DEFAULT 'direct' CHECK (netting IN ('direct', 'coalition')),
    approvals     int     NOT NULL DEFAULT 2 CHECK (approvals BETWEEN 1 AND 2),
    legal_name    text,
    legal_address text,
    tax_id        text,
    iban          text,
    bic           text
);
INSERT INTO settlement.policy DEFAULT VALUES;
GRANT SELECT, UPDATE ON settlement.policy TO coalition_service;
GRANT SELECT (netting, approvals, legal_name) ON settlement.policy TO coalition_reports;

-- A cycle's days, settled together. `open` while one of them is; then `closed`, and on through its states.
CREATE TABLE settlement.run (
    run_id       uuid  PRIMARY KEY,
    cycle        text  NOT NULL CHECK (cycle IN ('daily', 'weekly', 'monthly')),
    first_day    date  NOT NULL,
    last_day     date  NOT NULL,
    attempt      int   NOT NULL DEFAULT 1 CHECK (attempt > 0),  -- one more than were abandoned
    state        text  NOT NULL CHECK (state IN
        ('open', 'closed', 'calculated', 'approved', 'instructed', 'settled', 'abandoned')),
    netting      text  CHECK (netting IN ('direct', 'coalition')),  -- as it was calculated
    content_hash bytea CHECK (length(content_hash) = 32),
    UNIQUE (cycle, first_day, attempt),
    CHECK (first_day <= last_day),
    CHECK ((content_hash IS NULL) = (state IN ('open', 'closed')))
);
CREATE UNIQUE INDEX run_current ON settlement.run (cycle, first_day) WHERE state <> 'abandoned';
CREATE INDEX run_unfinished ON settlement.run (state, last_day) WHERE state NOT IN ('settled', 'abandoned');
GRANT SELECT, INSERT, UPDATE (state, netting, content_hash) ON settlement.run TO coalition_service;
GRANT SELECT ON settlement.run TO coalition_reports, coalition_tenant;

CREATE TABLE settlement.run_change (
    run_id uuid        NOT NULL REFERENCES settlement.run,
    n      int         NOT NULL CHECK (n > 0),
    state  text        NOT NULL,
    at     timestamptz NOT NULL,
    by     text        NOT NULL,  -- the person who decided it, or the coalition's clock
    reason text,
    PRIMARY KEY (run_id, n)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.run_change
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.run_change
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
GRANT SELECT, INSERT ON settlement.run_change TO coalition_service;
GRANT SELECT (run_id, n, state, at) ON settlement.run_change TO coalition_reports;

-- What each party receives of a run (positive) or owes; before it stood open what earlier runs had left unpaid.
CREATE TABLE settlement.run_position (
    run_id        uuid   NOT NULL REFERENCES settlement.run,
    party_id      uuid   NOT NULL,
    currency      text   NOT NULL,
    opening_minor bigint NOT NULL,
    amount_minor  bigint NOT NULL,
    PRIMARY KEY (run_id, party_id, currency)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.run_position
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.run_position
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
ALTER TABLE settlement.run_position ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.run_position TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.run_position TO coalition_tenant USING (party_id = kit.partner());
GRANT SELECT, INSERT ON settlement.run_position TO coalition_service;
GRANT SELECT ON settlement.run_position TO coalition_reports;

CREATE TABLE settlement.run_payment (
    payment_id    uuid   PRIMARY KEY,
    run_id        uuid   NOT NULL REFERENCES settlement.run,
    n             int    NOT NULL CHECK (n > 0),
    payer_id      uuid   NOT NULL,
    payee_id      uuid   NOT NULL,
    currency      text   NOT NULL,
    amount_minor  bigint NOT NULL CHECK (amount_minor > 0),
    UNIQUE (run_id, n),
    CHECK (payer_id <> payee_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.run_payment
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.run_payment
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
ALTER TABLE settlement.run_payment ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.run_payment TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.run_payment TO coalition_tenant USING (kit.partner() IN (payer_id, payee_id));
GRANT SELECT, INSERT ON settlement.run_payment TO coalition_service;
GRANT SELECT ON settlement.run_payment TO coalition_reports;

-- A partner's statement of a run. What is in it stands in the tables above; the hash is over that, in one fixed form.
CREATE TABLE settlement.run_statement (
    statement_id uuid  PRIMARY KEY,
    run_id       uuid  NOT NULL REFERENCES settlement.run,
    partner_id   uuid  NOT NULL REFERENCES partners.partner,
    content_hash bytea NOT NULL CHECK (length(content_hash) = 32),
    UNIQUE (run_id, partner_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.run_statement
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.run_statement
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();
ALTER TABLE settlement.run_statement ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.run_statement TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.run_statement TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT ON settlement.run_statement TO coalition_service;
GRANT SELECT ON settlement.run_statement TO coalition_reports;
