-- The programme, its members, and the tables of the ledger. Only the ledger's functions (0002_ledger_functions) write to the latter.
CREATE SCHEMA coalition;
GRANT USAGE ON SCHEMA coalition TO coalition_service;

CREATE TABLE coalition.programme (
    singleton      boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    programme_id   uuid        NOT NULL,
    currency       text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    time_zone      text        NOT NULL,
    key_check      bytea       NOT NULL,          -- fingerprint that tells a wrong secret key at once
    expiry_months  int         NOT NULL CHECK (expiry_months BETWEEN 1 AND 120),
    open_day       date        NOT NULL,          -- the business day every new posting belongs to
    test_now       timestamptz,                   -- the test clock of a demo coalition; NULL in a live one
    created_at     timestamptz NOT NULL
);
GRANT SELECT, INSERT ON coalition.programme TO coalition_service;

CREATE TABLE coalition.sealed_day (
    day            date        PRIMARY KEY,
    closed_at      timestamptz NOT NULL,
    sealed_at      timestamptz,
    postings       bigint      CHECK (postings >= 0),
    totals         jsonb,                         -- points by account pair and issuer
    digest         bytea       CHECK (length(digest) = 32),
    chain          bytea       CHECK (length(chain) = 32),
    CHECK ((sealed_at IS NULL) = (chain IS NULL))
);
GRANT SELECT ON coalition.sealed_day TO coalition_service;

CREATE TABLE coalition.member (
    member_id      uuid        PRIMARY KEY,
    enrolled_by    uuid        NOT NULL,
    enrolled_at    timestamptz NOT NULL
);
CREATE TABLE coalition.member_identifier (
    kind           text        NOT NULL CHECK (kind IN ('card')),
    fingerprint    bytea       NOT NULL CHECK (length(fingerprint) = 32),  -- keyed: the number itself is not stored
    member_id      uuid        NOT NULL REFERENCES coalition.member,
    masked         text        NOT NULL,
    PRIMARY KEY (kind, fingerprint)
);
CREATE INDEX member_identifier_of ON coalition.member_identifier (member_id);
GRANT SELECT, INSERT ON coalition.member, coalition.member_identifier TO coalition_service;

-- A range over uuid lets an exclusion constraint say "the same partner" without the btree_gist extension.
CREATE TYPE coalition.uuid_range AS RANGE (subtype = uuid);

CREATE TABLE coalition.earning_rate (
    rate_id        uuid        PRIMARY KEY,
    partner_id     uuid        NOT NULL,
    points_per_unit numeric    NOT NULL CHECK (points_per_unit > 0 AND points_per_unit <= 1000000),
    minor_per_unit bigint      NOT NULL CHECK (minor_per_unit > 0),  -- "2 points per 1.00" is 2 and 100
    currency       text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    valid          daterange   NOT NULL CHECK (NOT isempty(valid)),
    EXCLUDE USING gist (coalition.uuid_range(partner_id, partner_id, '[]') WITH &&, valid WITH &&)
);
GRANT SELECT, INSERT ON coalition.earning_rate TO coalition_service;
GRANT UPDATE (valid) ON coalition.earning_rate TO coalition_service;

CREATE TYPE coalition.txn_kind AS ENUM ('earn', 'burn', 'reversal', 'clawback');
CREATE TYPE coalition.account AS ENUM ('wallet', 'issuance', 'redemption');

-- The member's mutex: locked first by everything that touches the member's points.
CREATE TABLE coalition.wallet (
    member_id      uuid   PRIMARY KEY REFERENCES coalition.member,
    available      bigint NOT NULL DEFAULT 0 CHECK (available >= 0),
    version        bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);

CREATE TABLE coalition.txn (
    member_id      uuid        NOT NULL,
    member_seq     bigint      NOT NULL CHECK (member_seq > 0),   -- the member's transactions in order, no gaps
    txn_id         uuid        NOT NULL,
    kind           coalition.txn_kind NOT NULL,
    partner_id     uuid        NOT NULL,
    points         bigint      NOT NULL CHECK (points >= 0),      -- moved; the kind gives the direction
    uncovered      bigint      NOT NULL DEFAULT 0 CHECK (uncovered >= 0),  -- owed back, but no longer there to take
    available_after bigint     NOT NULL CHECK (available_after >= 0),
    reference      text        NOT NULL CHECK (length(reference) BETWEEN 1 AND 64),
    reverses_txn_id uuid,
    amount_minor   bigint      CHECK (amount_minor >= 0),
    currency       text,
    points_per_unit numeric,                                      -- the rate it was computed with, if it was
    minor_per_unit bigint,
    expires_on     date,                                          -- of an earn: first day it can't be spent any more
    effective_at   timestamptz NOT NULL,
    booked_at      timestamptz NOT NULL,
    business_date  date        NOT NULL,
    original_business_date date NOT NULL,
    PRIMARY KEY (member_id, member_seq)
);
CREATE UNIQUE INDEX txn_id ON coalition.txn (txn_id);
-- A partner's receipt is posted once, for ever; a return may touch several purchases under one number.
CREATE UNIQUE INDEX txn_reference ON coalition.txn (partner_id, reference, kind, reverses_txn_id) NULLS NOT DISTINCT;
CREATE INDEX txn_reverses ON coalition.txn (reverses_txn_id) WHERE reverses_txn_id IS NOT NULL;

-- Points of one earn: their issuer and expiry stay with them to the end.
CREATE TABLE coalition.lot (
    member_id      uuid    NOT NULL,
    lot_id         uuid    NOT NULL,                              -- the earn's txn_id
    issuer_id      uuid    NOT NULL,
    issued_on      date    NOT NULL,                              -- business date of the earn: fixes the price
    expires_on     date    NOT NULL,
    issued         bigint  NOT NULL CHECK (issued > 0),
    remaining      bigint  NOT NULL CHECK (remaining BETWEEN 0 AND issued),
    is_open        boolean NOT NULL,                              -- apart from remaining, so its updates stay HOT
    PRIMARY KEY (member_id, lot_id),
    CHECK (is_open = (remaining > 0))
) WITH (fillfactor = 85);
CREATE INDEX lot_open ON coalition.lot (member_id, expires_on, lot_id) WHERE is_open;

-- One row moves points from one account to another, so it balances by construction.
CREATE TABLE coalition.posting (
    member_id      uuid    NOT NULL,
    txn_id         uuid    NOT NULL,
    seq            int     NOT NULL CHECK (seq > 0),
    debit          coalition.account NOT NULL,
    credit         coalition.account NOT NULL,
    points         bigint  NOT NULL CHECK (points > 0),
    lot_id         uuid    NOT NULL,
    issuer_id      uuid    NOT NULL,
    partner_id     uuid    NOT NULL,
    business_date  date    NOT NULL,
    issued_on      date    NOT NULL,
    PRIMARY KEY (member_id, txn_id, seq),
    CHECK (debit <> credit)
);
-- Postings arrive in the order of their days: a block range index finds a day and costs an insert nothing.
CREATE INDEX posting_day ON coalition.posting USING brin (business_date) WITH (pages_per_range = 16, autosummarize = on);

-- What was answered to a key, refusals included.
CREATE TABLE coalition.idempotency (
    partner_id     uuid        NOT NULL,
    key            text        NOT NULL CHECK (length(key) BETWEEN 1 AND 128),
    request_hash   bytea       NOT NULL CHECK (length(request_hash) = 32),
    txn_id         uuid,
    refusal        text,
    detail         jsonb,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (partner_id, key),
    CHECK ((txn_id IS NULL) <> (refusal IS NULL))
);

GRANT SELECT ON coalition.wallet, coalition.txn, coalition.lot, coalition.posting TO coalition_service;

CREATE FUNCTION coalition.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refuses %: the ledger is append-only', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER txn_append_only BEFORE UPDATE OR DELETE ON coalition.txn
    FOR EACH ROW EXECUTE FUNCTION coalition.refuse_change();
CREATE TRIGGER txn_no_truncate BEFORE TRUNCATE ON coalition.txn
    FOR EACH STATEMENT EXECUTE FUNCTION coalition.refuse_change();
CREATE TRIGGER posting_append_only BEFORE UPDATE OR DELETE ON coalition.posting
    FOR EACH ROW EXECUTE FUNCTION coalition.refuse_change();
CREATE TRIGGER posting_no_truncate BEFORE TRUNCATE ON coalition.posting
    FOR EACH STATEMENT EXECUTE FUNCTION coalition.refuse_change();
