-- Payments on their way: the files that banks were given, the banks' entries, and what became of each payment.

-- A payment file of a run, made when it was first written; written again, it has the same bytes.
CREATE TABLE settlement.payment_file (
    message_id     text        PRIMARY KEY CHECK (length(message_id) <= 30),
    run_id         uuid        NOT NULL REFERENCES settlement.run,
    payer_id       uuid,       -- NULL: it has the payments of all payers
    initiator      text        NOT NULL,
    execution_date date        NOT NULL,
    created_at     timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (run_id, payer_id)
);
-- The parties of these files as they were then.
CREATE TABLE settlement.instructed_party (
    run_id   uuid NOT NULL REFERENCES settlement.run,
    party_id uuid NOT NULL,
    name     text NOT NULL,
    iban     text NOT NULL,
    bic      text,
    PRIMARY KEY (run_id, party_id)
);
CREATE INDEX instructed_party_of_iban ON settlement.instructed_party (iban);
-- A payment stands in one file only, so that no two banks make it.
CREATE TABLE settlement.instructed_payment (
    payment_id    uuid   PRIMARY KEY REFERENCES settlement.run_payment,
    message_id    text   NOT NULL REFERENCES settlement.payment_file,
    group_id      text   NOT NULL,  -- PmtInfId: a bank may book or reject the whole group
    end_to_end_id text   NOT NULL UNIQUE CHECK (length(end_to_end_id) <= 35),
    amount_minor  bigint NOT NULL CHECK (amount_minor > 0)  -- what was still to be paid
);
CREATE INDEX instructed_payment_of_file ON settlement.instructed_payment (message_id, group_id);

-- What banks booked on an account of a party's, each transaction once.
CREATE TABLE settlement.bank_entry (
    bank_entry_id          uuid        PRIMARY KEY,
    account                text        NOT NULL,
    statement_id           text        NOT NULL,
    entry_number           int         NOT NULL,
    transaction_number     int         NOT NULL,
    is_notice              boolean     NOT NULL,  -- of a camt.054; a camt.053 has the same booking again
    owner_id               uuid        NOT NULL,  -- the party whose account it is
    amount_minor           bigint      NOT NULL CHECK (amount_minor >= 0),
    booked_minor           bigint      NOT NULL CHECK (booked_minor >= 0),  -- of the booking it is a part of
    currency               text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    is_credit              boolean     NOT NULL,
    booked_on              date        NOT NULL,
    booking_reference      text,       -- the bank's own, of the booking
    end_to_end_id          text,
    payment_information_id text,
    remittance             text,
    counterparty_name      text,
    counterparty_account   text,
    is_return              boolean     NOT NULL,
    return_reason          text,
    imported_at            timestamptz NOT NULL,
    duplicate_of           uuid        REFERENCES settlement.bank_entry,
    open_minor             bigint      NOT NULL CHECK (open_minor BETWEEN 0 AND amount_minor),  -- no payment has it yet
    UNIQUE (account, statement_id, entry_number, transaction_number)
);
CREATE INDEX bank_entry_open ON settlement.bank_entry (booked_on, bank_entry_id) WHERE open_minor > 0;
CREATE INDEX bank_entry_of_booking ON settlement.bank_entry (account, booking_reference);
CREATE INDEX bank_entry_of_id ON settlement.bank_entry USING hash (end_to_end_id);  -- of any length
CREATE INDEX bank_entry_duplicate ON settlement.bank_entry (duplicate_of) WHERE duplicate_of IS NOT NULL;

-- What became of a payment, in order: what was booked is positive, what came back negative, and `unmatched` takes one
-- of them back. Its sum is what was paid.
CREATE TABLE settlement.payment_change (
    n             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    payment_id    uuid        NOT NULL REFERENCES settlement.run_payment,
    kind          text        NOT NULL CHECK (kind IN ('booked', 'returned', 'rejected', 'unmatched')),
    amount_minor  bigint      NOT NULL,
    bank_entry_id uuid        REFERENCES settlement.bank_entry,
    found_by      text        NOT NULL CHECK (found_by IN
        ('end_to_end_id', 'reference', 'group', 'amount', 'answer', 'hand')),
    reason        text,
    at            timestamptz NOT NULL,
    by            text        NOT NULL,
    CHECK ((kind = 'rejected') = (bank_entry_id IS NULL)),
    CHECK ((kind = 'rejected') = (amount_minor = 0)),
    CHECK (kind <> 'booked' OR amount_minor > 0),
    CHECK (kind <> 'returned' OR amount_minor < 0)
);
CREATE INDEX payment_change_of_payment ON settlement.payment_change (payment_id, n);
CREATE INDEX payment_change_of_entry ON settlement.payment_change (bank_entry_id) WHERE bank_entry_id IS NOT NULL;
CREATE UNIQUE INDEX payment_change_rejected ON settlement.payment_change (payment_id) WHERE kind = 'rejected';

-- What somebody decided that no payment will have.
CREATE TABLE settlement.write_off (
    n             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    bank_entry_id uuid        NOT NULL REFERENCES settlement.bank_entry,
    amount_minor  bigint      NOT NULL CHECK (amount_minor > 0),
    reason        text        NOT NULL,
    at            timestamptz NOT NULL,
    by            text        NOT NULL
);

ALTER TABLE settlement.payment_file ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.payment_file TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.payment_file TO coalition_tenant USING (payer_id = kit.partner());
ALTER TABLE settlement.instructed_party ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.instructed_party TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.instructed_party TO coalition_tenant USING (party_id = kit.partner());

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['payment_file', 'instructed_party', 'instructed_payment', 'payment_change', 'write_off']
    LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.%I
            FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change()', name);
        EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.%I
            FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change()', name);
        EXECUTE format('GRANT SELECT, INSERT ON settlement.%I TO coalition_service', name);
    END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE (duplicate_of, open_minor) ON settlement.bank_entry TO coalition_service;
GRANT SELECT (message_id, run_id, payer_id, execution_date, created_at) ON settlement.payment_file TO coalition_reports;
GRANT SELECT ON settlement.instructed_payment TO coalition_reports;
GRANT SELECT (bank_entry_id, owner_id, amount_minor, currency, is_credit, booked_on, imported_at, duplicate_of,
              open_minor) ON settlement.bank_entry TO coalition_reports;
GRANT SELECT (n, payment_id, kind, amount_minor, bank_entry_id, found_by, at) ON settlement.payment_change
    TO coalition_reports;
GRANT SELECT (n, bank_entry_id, amount_minor, at) ON settlement.write_off TO coalition_reports;
