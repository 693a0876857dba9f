-- Partners that stopped paying, and who pays in their place.

CREATE TABLE settlement.partner_default (
    partner_id  uuid        PRIMARY KEY REFERENCES partners.partner,
    declared_at timestamptz NOT NULL,
    declared_by text        NOT NULL,
    approved_by text,
    reason      text        NOT NULL
);
-- That the coalition pays what is still open of a payment: from the payer's deposit as far as it goes, then from its own.
-- `by_hand`: a file has the payment already, so no file has it again.
CREATE TABLE settlement.cover (
    payment_id   uuid        NOT NULL REFERENCES settlement.run_payment,
    source       text        NOT NULL CHECK (source IN ('deposit', 'coalition')),
    amount_minor bigint      NOT NULL CHECK (amount_minor > 0),
    by_hand      boolean     NOT NULL,
    at           timestamptz NOT NULL,
    PRIMARY KEY (payment_id, source)
);

-- What the coalition itself was to get of them is covered as well, and needs no bank's entry.
ALTER TABLE settlement.payment_change
    DROP CONSTRAINT payment_change_kind_check,
    DROP CONSTRAINT payment_change_check,
    DROP CONSTRAINT payment_change_found_by_check,
    ADD CONSTRAINT payment_change_kind_check
        CHECK (kind IN ('booked', 'returned', 'rejected', 'unmatched', 'covered')),
    ADD CONSTRAINT payment_change_check CHECK ((kind IN ('rejected', 'covered')) = (bank_entry_id IS NULL)),
    ADD CONSTRAINT payment_change_found_by_check
        CHECK (found_by IN ('end_to_end_id', 'reference', 'group', 'amount', 'answer', 'hand', 'cover')),
    ADD CONSTRAINT payment_change_covered CHECK (kind <> 'covered' OR amount_minor > 0);

ALTER TABLE settlement.partner_default ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON settlement.partner_default TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON settlement.partner_default TO coalition_tenant USING (partner_id = kit.partner());

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['partner_default', 'cover']
    LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON settlement.%I
            FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change()', name);
        EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.%I
            FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change()', name);
        EXECUTE format('GRANT SELECT, INSERT ON settlement.%I TO coalition_service', name);
    END LOOP;
END $$;
GRANT SELECT (partner_id, declared_at) ON settlement.partner_default TO coalition_reports;
GRANT SELECT ON settlement.cover TO coalition_reports;
