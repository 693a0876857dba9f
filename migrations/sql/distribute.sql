-- What has to be so before tables can be distributed by member: no unique index and no foreign key without the member.
-- What is unique over all members, a partner's reference and its keys, stays on the coordinator in tables of its own.
CREATE TABLE coalition.receipt (
    partner_id     uuid        NOT NULL,
    reference      text        NOT NULL,
    kind           coalition.txn_kind NOT NULL,
    reverses_txn_id uuid,
    UNIQUE NULLS NOT DISTINCT (partner_id, reference, kind, reverses_txn_id)
);
INSERT INTO coalition.receipt SELECT t.partner_id, t.reference, t.kind, t.reverses_txn_id FROM coalition.txn t;

DROP INDEX coalition.txn_id, coalition.txn_reference, kit.event_position;
CREATE INDEX txn_id ON coalition.txn (txn_id);
CREATE INDEX txn_reference ON coalition.txn (partner_id, reference);
CREATE INDEX event_position ON kit.event (position) WHERE position IS NOT NULL;

ALTER TABLE coalition.member_identifier DROP CONSTRAINT member_identifier_member_id_fkey;
ALTER TABLE coalition.member_secret DROP CONSTRAINT member_secret_member_id_fkey;
ALTER TABLE coalition.wallet DROP CONSTRAINT wallet_merged_into_fkey;
ALTER TABLE webhooks.delivery DROP CONSTRAINT delivery_subject_id_event_id_fkey;

-- Write the transaction, unless its reference is taken; whether it was written.
CREATE FUNCTION coalition.ledger_write(t coalition.txn) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO coalition.receipt VALUES (t.partner_id, t.reference, t.kind, t.reverses_txn_id) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO coalition.txn VALUES (t.*);
    RETURN true;
END $$;

-- Write a transaction whose reference can't be taken.
CREATE FUNCTION coalition.ledger_write_new(t coalition.txn) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT coalition.ledger_write(t) THEN
        RAISE unique_violation USING MESSAGE = 'reference ' || t.reference || ' is taken', CONSTRAINT = 'txn_reference';
    END IF;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_write, coalition.ledger_write_new FROM PUBLIC;
