-- The tables of the ledger. Only the ledger's functions (0046_functions.sql) write to them.
--
-- PostgreSQL parses a table's CHECKs anew for every statement that writes to it: a third of an earn's time
-- (docs/decisions/0007). Nobody but the ledger's functions writes here, `coalition ledger verify` recomputes what
-- CHECKs would say and more, and the one promise no fault may break, that no balance is negative, stays with the
-- wallet.

CREATE TYPE coalition.wallet_state AS ENUM ('open', 'blocked', 'merged');

-- The member's mutex: locked first by everything that touches the member's points.
CREATE TABLE coalition.wallet (
    member_id   uuid   PRIMARY KEY REFERENCES coalition.member,
    available   bigint NOT NULL DEFAULT 0,
    version     bigint NOT NULL DEFAULT 0,
    held        bigint NOT NULL DEFAULT 0,
    pending     bigint NOT NULL DEFAULT 0,
    debt        bigint NOT NULL DEFAULT 0,
    state       coalition.wallet_state NOT NULL DEFAULT 'open',
    merged_into uuid   REFERENCES coalition.member,
    CONSTRAINT wallet_never_negative CHECK (least(available, held, pending, debt) >= 0)
) WITH (fillfactor = 70);
CREATE INDEX wallet_merged_into ON coalition.wallet (merged_into) WHERE merged_into IS NOT NULL;
GRANT SELECT ON coalition.wallet TO coalition_service, coalition_tenant, coalition_reports;

CREATE TYPE coalition.txn_kind AS ENUM ('earn', 'burn', 'reversal', 'clawback', 'hold', 'capture', 'void', 'lapse',
    'vest', 'expiry', 'adjustment', 'merge');

CREATE TABLE coalition.txn (
    member_id              uuid        NOT NULL,
    member_seq             bigint      NOT NULL,            -- the member's transactions in order, no gaps
    txn_id                 uuid        NOT NULL,
    kind                   coalition.txn_kind NOT NULL,
    partner_id             uuid        NOT NULL,
    points                 bigint      NOT NULL,            -- moved; the kind gives the direction
    shortfall              bigint      NOT NULL DEFAULT 0,  -- owed back, but no longer there to take
    available_after        bigint      NOT NULL,
    reference              text        NOT NULL,
    reverses_txn_id        uuid,
    amount_minor           bigint,
    currency               text,
    points_per_unit        numeric,                         -- the rate it was computed with, if it was
    minor_per_unit         bigint,
    expires_on             date,                            -- of an earn: first day it can't be spent any more
    effective_at           timestamptz NOT NULL,
    booked_at              timestamptz NOT NULL,
    business_date          date        NOT NULL,
    original_business_date date        NOT NULL,
    held_after             bigint      NOT NULL DEFAULT 0,
    pending_after          bigint      NOT NULL DEFAULT 0,
    debt_after             bigint      NOT NULL DEFAULT 0,
    debt_repaid            bigint      NOT NULL DEFAULT 0,  -- points of it that repaid debts of the wallet
    hold_id                uuid,                            -- the hold that is opened or ended
    due_at                 timestamptz,                     -- when a hold lapses, or an earn's points can be spent
    -- An adjustment's reason and people, the other member of a merge, the awards that were asked for.
    meta                   jsonb,
    PRIMARY KEY (member_id, member_seq)
);
CREATE UNIQUE INDEX txn_id ON coalition.txn (txn_id);
-- A partner's receipt is posted once, for ever; a return may touch several purchases under one number.
CREATE UNIQUE INDEX txn_reference ON coalition.txn (partner_id, reference, kind, reverses_txn_id) NULLS NOT DISTINCT;
CREATE INDEX txn_reverses ON coalition.txn (reverses_txn_id) WHERE reverses_txn_id IS NOT NULL;
CREATE INDEX txn_day ON coalition.txn USING brin (business_date) WITH (pages_per_range = 16);
CREATE TRIGGER txn_append_only BEFORE UPDATE OR DELETE ON coalition.txn
    FOR EACH ROW EXECUTE FUNCTION coalition.refuse_change();
CREATE TRIGGER txn_no_truncate BEFORE TRUNCATE ON coalition.txn
    FOR EACH STATEMENT EXECUTE FUNCTION coalition.refuse_change();
ALTER TABLE coalition.txn ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON coalition.txn TO coalition_service, coalition_reports USING (true);
-- No OR: the planner would take it for a way in, and read all of a partner's transactions where there are few.
CREATE POLICY own ON coalition.txn TO coalition_tenant
    USING (CASE WHEN partner_id = kit.partner() THEN true ELSE coalesce(member_id = kit.member(), false) END);
GRANT SELECT ON coalition.txn TO coalition_service, coalition_tenant;
-- Not its `meta`: it names who adjusted a wallet, and why.
GRANT SELECT (member_id, member_seq, txn_id, kind, partner_id, points, shortfall, available_after, reference,
    reverses_txn_id, amount_minor, currency, points_per_unit, minor_per_unit, expires_on, effective_at, booked_at,
    business_date, original_business_date, held_after, pending_after, debt_after, debt_repaid, hold_id, due_at)
    ON coalition.txn TO coalition_reports;

-- Points of one award: their issuer and expiry stay with them to the end.
CREATE TABLE coalition.lot (
    member_id  uuid        NOT NULL,
    lot_id     uuid        NOT NULL,                -- of an earn's first award: the earn's txn_id
    issuer_id  uuid        NOT NULL,
    issued_on  date        NOT NULL,                -- business date of the earn: fixes the price
    expires_on date        NOT NULL,
    issued     bigint      NOT NULL,
    remaining  bigint      NOT NULL,
    is_open    boolean     NOT NULL,                -- apart from remaining, so its updates stay HOT
    held       bigint      NOT NULL DEFAULT 0,      -- of remaining: set aside by holds
    vests_at   timestamptz,                         -- until then all that remains is pending; NULL once vested
    -- The lot as which the points were issued, where a merge or a return made a lot of its own of them; NULL: the lot's
    -- own id is that.
    origin_id  uuid,
    txn_id     uuid        NOT NULL,                -- the transaction that issued it
    is_grace   boolean     NOT NULL DEFAULT false,  -- came back after its expiry, and lives on for the days of grace
    campaign   text,                                -- what it was awarded for, in the words of who awarded it
    rule       text,                                -- and by which version of which rule
    PRIMARY KEY (member_id, lot_id)
) WITH (fillfactor = 85);
CREATE INDEX lot_open ON coalition.lot (member_id, expires_on, lot_id) WHERE is_open;
CREATE INDEX lot_vesting ON coalition.lot (vests_at) WHERE vests_at IS NOT NULL;
-- The night finds what expires, and what is to be warned of, without reading all others.
CREATE INDEX lot_expiring ON coalition.lot (expires_on) WHERE is_open;
GRANT SELECT ON coalition.lot TO coalition_service, coalition_reports;
GRANT SELECT (member_id, lot_id, issuer_id, issued_on, expires_on, remaining, is_open, held)
    ON coalition.lot TO coalition_tenant;

CREATE TYPE coalition.account AS ENUM (
    'wallet',
    'issuance',
    'redemption',
    'hold',      -- set aside for a purchase in progress
    'pending',   -- earned, not to be spent yet
    'debt',  -- repays a debt: the posting's partner is whom it is owed
    'breakage',
    'adjustment',
    'merge'      -- from one member's wallet to another's
);

-- One row moves points from one account to another, so it balances by construction.
CREATE TABLE coalition.posting (
    member_id     uuid   NOT NULL,
    txn_id        uuid   NOT NULL,
    seq           int    NOT NULL,
    debit         coalition.account NOT NULL,
    credit        coalition.account NOT NULL,
    points        bigint NOT NULL,
    lot_id        uuid   NOT NULL,
    issuer_id     uuid   NOT NULL,
    partner_id    uuid   NOT NULL,
    business_date date   NOT NULL,
    issued_on     date   NOT NULL,
    PRIMARY KEY (member_id, txn_id, seq)
);
-- Postings arrive in the order of their days: a block range index finds a day and costs an insert nothing. Sealing a
-- day summarises what it read; until then its pages are read whole, which a day's pages are anyway.
CREATE INDEX posting_day ON coalition.posting USING brin (business_date)
    WITH (pages_per_range = 16, autosummarize = off);
CREATE TRIGGER posting_append_only BEFORE UPDATE OR DELETE ON coalition.posting
    FOR EACH ROW EXECUTE FUNCTION coalition.refuse_change();
CREATE TRIGGER posting_no_truncate BEFORE TRUNCATE ON coalition.posting
    FOR EACH STATEMENT EXECUTE FUNCTION coalition.refuse_change();
ALTER TABLE coalition.posting ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON coalition.posting TO coalition_service, coalition_reports USING (true);
-- A subquery is itself answered as that partner.
CREATE POLICY own ON coalition.posting TO coalition_tenant
    USING (EXISTS (SELECT FROM coalition.txn t WHERE t.txn_id = posting.txn_id AND t.member_id = posting.member_id));
GRANT SELECT ON coalition.posting TO coalition_service, coalition_tenant, coalition_reports;

CREATE TYPE coalition.hold_status AS ENUM ('open', 'captured', 'voided', 'lapsed');

CREATE TABLE coalition.hold (
    member_id  uuid        NOT NULL,
    hold_id    uuid        NOT NULL,  -- the hold's txn_id; its lots are that one's postings
    partner_id uuid        NOT NULL,
    points     bigint      NOT NULL,
    captured   bigint      NOT NULL DEFAULT 0,
    status     coalition.hold_status NOT NULL DEFAULT 'open',
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (member_id, hold_id)
);
CREATE INDEX hold_open ON coalition.hold (expires_at) WHERE status = 'open';
ALTER TABLE coalition.hold ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON coalition.hold TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON coalition.hold TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT ON coalition.hold TO coalition_service, coalition_tenant, coalition_reports;

-- What a wallet owes a partner: a return took back more than was there. A return of several issuers' awards may leave a
-- debt to each.
CREATE TABLE coalition.debt (
    member_id  uuid   NOT NULL,
    txn_id     uuid   NOT NULL,  -- the return
    partner_id uuid   NOT NULL,
    points     bigint NOT NULL,
    debt_repaid     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (member_id, txn_id, partner_id),
    CHECK (points > 0 AND debt_repaid BETWEEN 0 AND points)
);
ALTER TABLE coalition.debt ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON coalition.debt TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON coalition.debt TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT ON coalition.debt TO coalition_service, coalition_reports;

-- What was answered to a key, refusals included.
CREATE TABLE coalition.idempotency (
    partner_id   uuid        NOT NULL,
    key          text        NOT NULL,
    request_hash bytea       NOT NULL,
    txn_id       uuid,
    refusal      text,
    detail       jsonb,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (partner_id, key)
);
ALTER TABLE coalition.idempotency ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON coalition.idempotency TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON coalition.idempotency TO coalition_tenant USING (partner_id = kit.partner());
-- A request that was answered needs no proof a second time, so it has to be known before the ledger is asked.
GRANT SELECT (partner_id, key) ON coalition.idempotency TO coalition_service;

CREATE TABLE coalition.sealed_day (
    day       date        PRIMARY KEY,
    closed_at timestamptz NOT NULL,
    sealed_at timestamptz,
    postings  bigint      CHECK (postings >= 0),
    totals    jsonb,                           -- points by account pair and issuer
    digest    bytea       CHECK (length(digest) = 32),
    chain     bytea       CHECK (length(chain) = 32),
    version   smallint    NOT NULL DEFAULT 1,  -- 1: over the day's postings; 2: over its transactions too
    CHECK ((sealed_at IS NULL) = (chain IS NULL))
);
CREATE TRIGGER sealed_day_unchanging BEFORE UPDATE ON coalition.sealed_day
    FOR EACH ROW WHEN (OLD.chain IS NOT NULL) EXECUTE FUNCTION coalition.refuse_change();
CREATE TRIGGER sealed_day_append_only BEFORE DELETE ON coalition.sealed_day
    FOR EACH ROW EXECUTE FUNCTION coalition.refuse_change();
CREATE TRIGGER sealed_day_no_truncate BEFORE TRUNCATE ON coalition.sealed_day
    FOR EACH STATEMENT EXECUTE FUNCTION coalition.refuse_change();
GRANT SELECT ON coalition.sealed_day TO coalition_service, coalition_reports;

-- Seals are signed with a key that the database doesn't hold (docs/decisions/0019). By day and key: after a change of
-- the secret key a person adopts the books as they stand under the new one.
CREATE TABLE coalition.seal_signature (
    day        date        NOT NULL,
    public_key bytea       NOT NULL CHECK (length(public_key) = 32),
    adopts     boolean     NOT NULL,  -- it stands for all days before, too
    signed_at  timestamptz NOT NULL,
    signature  bytea       NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (day, public_key, adopts)
);
CREATE TRIGGER seal_signature_append_only BEFORE UPDATE OR DELETE ON coalition.seal_signature
    FOR EACH ROW EXECUTE FUNCTION coalition.refuse_change();
CREATE TRIGGER seal_signature_no_truncate BEFORE TRUNCATE ON coalition.seal_signature
    FOR EACH STATEMENT EXECUTE FUNCTION coalition.refuse_change();
GRANT SELECT, INSERT ON coalition.seal_signature TO coalition_service;

-- What is asked for. `key` is NULL where the coalition itself asks (expiry, a lapse): then only the reference protects.
CREATE TYPE coalition.request AS (
    kind         coalition.txn_kind,
    partner_id   uuid,
    key          text,
    request_hash bytea,
    txn_id       uuid,
    event_id     uuid,
    now          timestamptz,
    member_id    uuid,  -- NULL where original_id tells it
    original_id  uuid,  -- what is reversed, the hold that ends, the lot that vests, the member merged into
    reference    text,
    points       bigint,
    amount_minor bigint,
    currency     text,
    effective_at timestamptz,
    due_at       timestamptz,
    meta         jsonb
);

CREATE TYPE coalition.outcome AS (
    replayed boolean,  -- true: this is what was answered before, nothing was posted now
    refusal  text,     -- the code of the refusal, or NULL
    detail   jsonb,    -- the refusal's facts
    txn      coalition.txn
);

-- One award of an earn (docs/decisions/0026).
CREATE TYPE coalition.award AS (
    points     bigint,
    issuer_id  uuid,
    expires_on date,
    vests_at   timestamptz,
    campaign   text,
    rule       text
);

-- What a return or clawback takes back.
CREATE TYPE coalition.taking AS (
    award     int,   -- its number in an earn that names its awards
    issuer_id uuid,
    lot_id    uuid,  -- as which it was issued; NULL: any of the issuer's
    points    bigint
);

-- Every reference that was posted, and whose wallet it was posted in: kept only where members lie on several nodes
-- (docs/decisions/0030). On one node the unique index txn_reference says the same and costs less, so this stays empty.
CREATE TABLE coalition.receipt (
    partner_id      uuid NOT NULL,
    reference       text NOT NULL,
    kind            coalition.txn_kind NOT NULL,
    reverses_txn_id uuid,
    member_id       uuid NOT NULL,
    txn_id          uuid NOT NULL,
    UNIQUE NULLS NOT DISTINCT (partner_id, reference, kind, reverses_txn_id)
);
CREATE UNIQUE INDEX receipt_txn ON coalition.receipt (txn_id);
CREATE INDEX receipt_reverses ON coalition.receipt (reverses_txn_id) WHERE reverses_txn_id IS NOT NULL;
