-- Back to the ledger that earns, burns and reverses only, as long as it did nothing else.
DO $$ BEGIN
    IF EXISTS (SELECT FROM coalition.txn WHERE kind NOT IN ('earn', 'burn', 'reversal', 'clawback') OR due_at IS NOT NULL)
       OR EXISTS (SELECT FROM coalition.sealed_day WHERE version > 1) OR EXISTS (SELECT FROM coalition.debt) OR EXISTS (SELECT FROM coalition.wallet WHERE state <> 'open') THEN
        RAISE EXCEPTION 'the ledger holds what the version before has no words for; restore a backup instead';
    END IF;
END $$;
DROP TRIGGER sealed_day_no_truncate ON coalition.sealed_day;
DROP TRIGGER sealed_day_append_only ON coalition.sealed_day;
DROP TRIGGER sealed_day_unchanging ON coalition.sealed_day;
DROP TABLE coalition.hold, coalition.debt;
DROP TYPE coalition.hold_status;
DROP INDEX coalition.lot_vesting, coalition.txn_day;
ALTER INDEX coalition.posting_day SET (autosummarize = on);
ALTER TABLE coalition.sealed_day DROP version;
ALTER TABLE coalition.programme DROP return_policy, DROP grace_days, DROP warn_days,
    DROP warned_through, DROP adjustment_limit;
REVOKE UPDATE (member_id) ON coalition.member_identifier FROM coalition_service;
DROP TYPE coalition.return_policy;
ALTER TABLE coalition.wallet DROP CONSTRAINT wallet_never_negative, DROP held, DROP pending, DROP owed, DROP state,
    DROP merged_into, ADD CHECK (available >= 0);
DROP TYPE coalition.wallet_state;
ALTER TABLE coalition.lot DROP held, DROP vests_at, ADD CHECK (issued > 0), ADD CHECK (remaining BETWEEN 0 AND issued),
    ADD CHECK (is_open = (remaining > 0));
ALTER TABLE coalition.txn DROP held_after, DROP pending_after, DROP owed_after, DROP repaid, DROP hold_id, DROP due_at,
    DROP meta, ADD CHECK (member_seq > 0), ADD CHECK (points >= 0), ADD CHECK (uncovered >= 0),
    ADD CHECK (available_after >= 0), ADD CHECK (length(reference) BETWEEN 1 AND 64), ADD CHECK (amount_minor >= 0);
ALTER TABLE coalition.posting ADD CHECK (seq > 0), ADD CHECK (points > 0), ADD CHECK (debit <> credit);
ALTER TABLE coalition.idempotency ADD CHECK (length(key) BETWEEN 1 AND 128), ADD CHECK (length(request_hash) = 32),
    ADD CHECK ((txn_id IS NULL) <> (refusal IS NULL));
ALTER TABLE kit.event ADD CHECK ((position IS NULL) = (body IS NULL));
