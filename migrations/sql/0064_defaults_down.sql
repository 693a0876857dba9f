DROP TABLE settlement.cover, settlement.partner_default;
ALTER TABLE settlement.payment_change
    DROP CONSTRAINT payment_change_covered,
    DROP CONSTRAINT payment_change_kind_check,
    DROP CONSTRAINT payment_change_check,
    DROP CONSTRAINT payment_change_found_by_check,
    ADD CONSTRAINT payment_change_kind_check CHECK (kind IN ('booked', 'returned', 'rejected', 'unmatched')),
    ADD CONSTRAINT payment_change_check CHECK ((kind = 'rejected') = (bank_entry_id IS NULL)),
    ADD CONSTRAINT payment_change_found_by_check
        CHECK (found_by IN ('end_to_end_id', 'reference', 'group', 'amount', 'answer', 'hand'));
