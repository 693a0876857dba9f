-- The ledger, complete: holds, vesting, debts, expiry, adjustments, merged and blocked members.
ALTER TYPE coalition.txn_kind ADD VALUE IF NOT EXISTS 'hold';
ALTER TYPE coalition.txn_kind ADD VALUE IF NOT EXISTS 'capture';
ALTER TYPE coalition.txn_kind ADD VALUE IF NOT EXISTS 'void';
ALTER TYPE coalition.txn_kind ADD VALUE IF NOT EXISTS 'lapse';
ALTER TYPE coalition.txn_kind ADD VALUE IF NOT EXISTS 'vest';
ALTER TYPE coalition.txn_kind ADD VALUE IF NOT EXISTS 'expiry';
ALTER TYPE coalition.txn_kind ADD VALUE IF NOT EXISTS 'adjustment';
ALTER TYPE coalition.txn_kind ADD VALUE IF NOT EXISTS 'merge';
ALTER TYPE coalition.account ADD VALUE IF NOT EXISTS 'hold';        -- set aside for a purchase in progress
ALTER TYPE coalition.account ADD VALUE IF NOT EXISTS 'pending';     -- earned, not to be spent yet
ALTER TYPE coalition.account ADD VALUE IF NOT EXISTS 'recovery';    -- repays a debt: the posting's partner is whom it is owed
ALTER TYPE coalition.account ADD VALUE IF NOT EXISTS 'breakage';
ALTER TYPE coalition.account ADD VALUE IF NOT EXISTS 'adjustment';
ALTER TYPE coalition.account ADD VALUE IF NOT EXISTS 'merge';       -- from one member's wallet to another's

CREATE TYPE coalition.return_policy AS ENUM ('within_balance', 'owed', 'refuse');
ALTER TABLE coalition.programme
    -- What a return does about points of the purchase that are spent: write them off, let the wallet owe them, refuse.
    ADD return_policy coalition.return_policy NOT NULL DEFAULT 'within_balance',
    -- How long points live that return to a lot whose expiry has passed.
    ADD grace_days    int NOT NULL DEFAULT 30 CHECK (grace_days BETWEEN 1 AND 3650),
    -- How long before points expire their issuer hears of it, and up to which expiry it was told.
    ADD warn_days     int NOT NULL DEFAULT 30 CHECK (warn_days BETWEEN 1 AND 3650),
    ADD warned_through date,
    -- An adjustment of more points than this takes two people.
    ADD adjustment_limit bigint NOT NULL DEFAULT 10000 CHECK (adjustment_limit >= 0);
GRANT UPDATE (member_id) ON coalition.member_identifier TO coalition_service;
GRANT UPDATE (return_policy, grace_days, warn_days, adjustment_limit) ON coalition.programme TO coalition_service;

CREATE TYPE coalition.wallet_state AS ENUM ('open', 'blocked', 'merged');
ALTER TABLE coalition.wallet
    ADD held        bigint NOT NULL DEFAULT 0,
    ADD pending     bigint NOT NULL DEFAULT 0,
    ADD owed        bigint NOT NULL DEFAULT 0,
    ADD state       coalition.wallet_state NOT NULL DEFAULT 'open',
    ADD merged_into uuid REFERENCES coalition.member,
    DROP CONSTRAINT wallet_available_check,
    ADD CONSTRAINT wallet_never_negative CHECK (least(available, held, pending, owed) >= 0);

ALTER TABLE coalition.lot
    ADD held        bigint NOT NULL DEFAULT 0,   -- of remaining: set aside by holds
    ADD vests_at    timestamptz;                 -- until then all that remains is pending; NULL once vested
CREATE INDEX lot_vesting ON coalition.lot (vests_at) WHERE vests_at IS NOT NULL;

ALTER TABLE coalition.txn
    ADD held_after    bigint NOT NULL DEFAULT 0,
    ADD pending_after bigint NOT NULL DEFAULT 0,
    ADD owed_after    bigint NOT NULL DEFAULT 0,
    ADD repaid        bigint NOT NULL DEFAULT 0, -- points of it that repaid debts of the wallet
    ADD hold_id       uuid,                      -- the hold that is opened or ended
    ADD due_at        timestamptz,               -- when a hold lapses, or an earn's points can be spent
    ADD meta          jsonb;                     -- an adjustment's reason and people, the other member of a merge

-- PostgreSQL parses a table's CHECKs anew for every statement that writes to it: a third of an earn's time
-- (docs/decisions/0007). Nobody but the ledger's functions writes here, `coalition ledger verify` recomputes what these
-- said and more, and the one promise no fault may break, that no balance is negative, stays with the wallet.
ALTER TABLE coalition.lot DROP CONSTRAINT lot_issued_check, DROP CONSTRAINT lot_check, DROP CONSTRAINT lot_check1;
ALTER TABLE coalition.txn DROP CONSTRAINT txn_member_seq_check, DROP CONSTRAINT txn_points_check,
    DROP CONSTRAINT txn_uncovered_check, DROP CONSTRAINT txn_available_after_check,
    DROP CONSTRAINT txn_reference_check, DROP CONSTRAINT txn_amount_minor_check;
ALTER TABLE coalition.posting DROP CONSTRAINT posting_seq_check, DROP CONSTRAINT posting_points_check,
    DROP CONSTRAINT posting_check;
ALTER TABLE coalition.idempotency DROP CONSTRAINT idempotency_key_check,
    DROP CONSTRAINT idempotency_request_hash_check, DROP CONSTRAINT idempotency_check;
ALTER TABLE kit.event DROP CONSTRAINT event_check;

CREATE TYPE coalition.hold_status AS ENUM ('open', 'captured', 'voided', 'lapsed');
CREATE TABLE coalition.hold (
    member_id      uuid        NOT NULL,
    hold_id        uuid        NOT NULL,                          -- the hold's txn_id; its lots are that one's postings
    partner_id     uuid        NOT NULL,
    points         bigint      NOT NULL,
    captured       bigint      NOT NULL DEFAULT 0,
    status         coalition.hold_status NOT NULL DEFAULT 'open',
    expires_at     timestamptz NOT NULL,
    PRIMARY KEY (member_id, hold_id)
);
CREATE INDEX hold_open ON coalition.hold (expires_at) WHERE status = 'open';

-- What a wallet owes a partner: a return took back more than was there.
CREATE TABLE coalition.debt (
    member_id      uuid        NOT NULL,
    txn_id         uuid        NOT NULL,                          -- the return
    partner_id     uuid        NOT NULL,
    points         bigint      NOT NULL,
    repaid         bigint      NOT NULL DEFAULT 0,
    PRIMARY KEY (member_id, txn_id),
    CHECK (points > 0 AND repaid BETWEEN 0 AND points)
);
GRANT SELECT ON coalition.hold, coalition.debt TO coalition_service;

-- Seals of version 1 are over the day's postings, of version 2 over its transactions too.
ALTER TABLE coalition.sealed_day ADD version smallint NOT NULL DEFAULT 1;
CREATE INDEX txn_day ON coalition.txn USING brin (business_date) WITH (pages_per_range = 16);
-- Sealing a day summarises what it read; until then its pages are read whole, which a day's pages are anyway.
ALTER INDEX coalition.posting_day SET (autosummarize = off);

CREATE TRIGGER sealed_day_unchanging BEFORE UPDATE ON coalition.sealed_day
    FOR EACH ROW WHEN (OLD.chain IS NOT NULL) EXECUTE FUNCTION coalition.refuse_change();
CREATE TRIGGER sealed_day_append_only BEFORE DELETE ON coalition.sealed_day
    FOR EACH ROW EXECUTE FUNCTION coalition.refuse_change();
CREATE TRIGGER sealed_day_no_truncate BEFORE TRUNCATE ON coalition.sealed_day
    FOR EACH STATEMENT EXECUTE FUNCTION coalition.refuse_change();
