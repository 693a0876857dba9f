-- Payments that came back are put into another file of their payer, with the accounts as they are then.

ALTER TABLE settlement.payment_file
    ADD COLUMN number int NOT NULL DEFAULT 1 CHECK (number > 0),  -- which file of this payer it is in the run
    DROP CONSTRAINT payment_file_run_id_payer_id_key,
    ADD CONSTRAINT payment_file_of_payer UNIQUE NULLS NOT DISTINCT (run_id, payer_id, number);
-- NULL: the parties of all first files of the run, as they were when the first of these was written.
ALTER TABLE settlement.instructed_party
    ADD COLUMN message_id text REFERENCES settlement.payment_file,
    DROP CONSTRAINT instructed_party_pkey,
    ADD CONSTRAINT instructed_party_once UNIQUE NULLS NOT DISTINCT (run_id, message_id, party_id);
-- A payment stands in another file only once it came back: after the change `after_change`, as far as it got before.
ALTER TABLE settlement.instructed_payment
    ADD COLUMN after_change bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT instructed_payment_pkey,
    ADD PRIMARY KEY (payment_id, after_change);
-- The file of which the bank rejected it; NULL in what was written before this step.
ALTER TABLE settlement.payment_change ADD COLUMN message_id text REFERENCES settlement.payment_file;
DROP INDEX settlement.payment_change_rejected;
CREATE UNIQUE INDEX payment_change_rejected ON settlement.payment_change (payment_id, message_id)
    NULLS NOT DISTINCT WHERE kind = 'rejected';
GRANT SELECT (message_id) ON settlement.payment_change TO coalition_reports;
GRANT SELECT (number) ON settlement.payment_file TO coalition_reports;
