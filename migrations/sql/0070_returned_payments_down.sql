DROP INDEX settlement.payment_change_rejected;
CREATE UNIQUE INDEX payment_change_rejected ON settlement.payment_change (payment_id) WHERE kind = 'rejected';
ALTER TABLE settlement.payment_change DROP COLUMN message_id;
ALTER TABLE settlement.instructed_payment
    DROP CONSTRAINT instructed_payment_pkey,
    ADD PRIMARY KEY (payment_id),
    DROP COLUMN after_change;
ALTER TABLE settlement.instructed_party
    DROP CONSTRAINT instructed_party_once,
    ADD PRIMARY KEY (run_id, party_id),
    DROP COLUMN message_id;
ALTER TABLE settlement.payment_file
    DROP CONSTRAINT payment_file_of_payer,
    ADD UNIQUE NULLS NOT DISTINCT (run_id, payer_id),
    DROP COLUMN number;
