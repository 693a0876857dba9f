-- The programme, its rates, and its members with what they are found by and prove themselves with.
CREATE SCHEMA coalition;
GRANT USAGE ON SCHEMA coalition TO coalition_service, coalition_tenant, coalition_reports;

-- What was written once stays as it is.
CREATE OR REPLACE FUNCTION coalition.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refuses %: the ledger is append-only', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;
REVOKE EXECUTE ON FUNCTION coalition.refuse_change FROM PUBLIC;

CREATE TYPE coalition.return_policy AS ENUM ('within_balance', 'debt', 'refuse');

CREATE TABLE coalition.programme (
    singleton               boolean     PRIMARY KEY DEFAULT true CHECK (singleton),
    programme_id            uuid        NOT NULL,
    currency                text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    time_zone               text        NOT NULL,
    key_check               bytea       NOT NULL,  -- fingerprint that tells a wrong secret key at once
    -- How long points live; a change is for what is earned from then on.
    expiry_months           int         NOT NULL CHECK (expiry_months BETWEEN 1 AND 120),
    open_day                date        NOT NULL,  -- the business day every new posting belongs to
    test_now                timestamptz,           -- the test clock of a demo coalition; NULL in a live one
    created_at              timestamptz NOT NULL,
    -- What a return does about points of the purchase that are spent: write them off, let the wallet owe them, refuse.
    return_policy           coalition.return_policy NOT NULL DEFAULT 'within_balance',
    -- How long points live that return to a lot whose expiry has passed.
    grace_days              int         NOT NULL DEFAULT 30 CHECK (grace_days BETWEEN 1 AND 3650),
    -- How long before points expire their issuer hears of it, and up to which expiry it was told.
    warn_days               int         NOT NULL DEFAULT 30 CHECK (warn_days BETWEEN 1 AND 3650),
    warned_through          date,
    -- An adjustment of more points than this takes two people.
    adjustment_limit        bigint      NOT NULL DEFAULT 10000 CHECK (adjustment_limit >= 0),
    -- Up to how many points a burn or hold takes no more than a static identifier; NULL: any number.
    pin_free_points         bigint      CHECK (pin_free_points >= 0),
    -- Points a member may spend on one business day, at all partners together, without PIN, code or consent; NULL: any.
    -- How much is spent without a proof is asked where the points are spent: in the same transaction, posting after
    -- posting, whichever way they come in.
    pin_free_points_per_day bigint      CHECK (pin_free_points_per_day >= 0)
);
GRANT SELECT, INSERT, UPDATE (expiry_months, return_policy, grace_days, warn_days, adjustment_limit, pin_free_points,
    pin_free_points_per_day) ON coalition.programme TO coalition_service;
GRANT SELECT (programme_id, currency, time_zone, open_day, test_now, pin_free_points)
    ON coalition.programme TO coalition_tenant;
GRANT SELECT (currency, time_zone, expiry_months, open_day, created_at, return_policy, grace_days, warn_days)
    ON coalition.programme TO coalition_reports;

-- A range over uuid lets an exclusion constraint say "the same partner" without the btree_gist extension.
CREATE TYPE coalition.uuid_range AS RANGE (subtype = uuid);
REVOKE EXECUTE ON FUNCTION coalition.uuid_range(uuid, uuid), coalition.uuid_range(uuid, uuid, text),
    coalition.uuid_multirange(), coalition.uuid_multirange(coalition.uuid_range),
    coalition.uuid_multirange(coalition.uuid_range[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.uuid_range(uuid, uuid), coalition.uuid_range(uuid, uuid, text) TO coalition_service;

CREATE TABLE coalition.earning_rate (
    rate_id         uuid      PRIMARY KEY,
    partner_id      uuid      NOT NULL,
    points_per_unit numeric   NOT NULL CHECK (points_per_unit > 0 AND points_per_unit <= 1000000),
    minor_per_unit  bigint    NOT NULL CHECK (minor_per_unit > 0),  -- "2 points per 1.00" is 2 and 100
    currency        text      NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    valid           daterange NOT NULL CHECK (NOT isempty(valid)),
    version         int       NOT NULL DEFAULT 1,                   -- raised when it is corrected, before it bites
    EXCLUDE USING gist (coalition.uuid_range(partner_id, partner_id, '[]') WITH &&, valid WITH &&)
);
ALTER TABLE coalition.earning_rate ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON coalition.earning_rate TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON coalition.earning_rate TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE (valid), DELETE ON coalition.earning_rate TO coalition_service;
GRANT SELECT ON coalition.earning_rate TO coalition_reports;

CREATE TABLE coalition.member (
    member_id   uuid        PRIMARY KEY,
    enrolled_by uuid        NOT NULL,
    enrolled_at timestamptz NOT NULL,
    erased_at   timestamptz,
    -- Whether the member proved itself somewhere else than at the partner that enrolled it, or at the coalition's desk.
    -- Who enrols a member vouches for it: its first credentials hang on that partner's word alone. It is good for the
    -- points that partner issued, and no longer than others leave the member alone.
    is_claimed  boolean     NOT NULL DEFAULT false
);
ALTER TABLE coalition.member ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON coalition.member TO coalition_service, coalition_reports USING (true);
-- A partner's request sees or locks rows, and changes none; a member is enrolled in its own name only.
CREATE POLICY own_seen ON coalition.member FOR SELECT TO coalition_tenant USING (true);
CREATE POLICY own_made ON coalition.member FOR INSERT TO coalition_tenant WITH CHECK (enrolled_by = kit.partner());
CREATE POLICY own_locked ON coalition.member FOR UPDATE TO coalition_tenant USING (true) WITH CHECK (false);
GRANT SELECT, INSERT, UPDATE (erased_at, is_claimed) ON coalition.member TO coalition_service;
GRANT SELECT, INSERT, UPDATE (erased_at) ON coalition.member TO coalition_tenant;
GRANT SELECT ON coalition.member TO coalition_reports;

-- What a member is found by. What has to be shown again (to send a code to, to export) is kept sealed beside the
-- fingerprint; a partner's own id for a member counts among that partner's only.
CREATE TABLE coalition.member_identifier (
    kind          text        NOT NULL CHECK (kind IN ('card', 'phone', 'email', 'external')),
    fingerprint   bytea       NOT NULL CHECK (length(fingerprint) = 32),  -- keyed: the number itself is not stored
    member_id     uuid        NOT NULL REFERENCES coalition.member,
    masked        text        NOT NULL,
    sealed        bytea,
    verified_at   timestamptz,
    created_at    timestamptz,
    identifier_id uuid        NOT NULL DEFAULT gen_random_uuid(),
    partner_id    uuid,                                                   -- of an external id: whose it is
    PRIMARY KEY (kind, fingerprint),
    CONSTRAINT member_identifier_external CHECK ((kind = 'external') = (partner_id IS NOT NULL))
);
CREATE INDEX member_identifier_of ON coalition.member_identifier (member_id);
CREATE UNIQUE INDEX member_identifier_id ON coalition.member_identifier (identifier_id);
ALTER TABLE coalition.member_identifier ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON coalition.member_identifier TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON coalition.member_identifier TO coalition_tenant
    USING (partner_id IS NULL OR partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE (member_id, verified_at), DELETE ON coalition.member_identifier TO coalition_service;
GRANT SELECT, INSERT, UPDATE (verified_at), DELETE ON coalition.member_identifier TO coalition_tenant;

-- A code that was sent to an identifier.
CREATE TABLE coalition.identifier_verification (
    identifier_id uuid        PRIMARY KEY REFERENCES coalition.member_identifier (identifier_id) ON DELETE CASCADE,
    code_hash     bytea       NOT NULL CHECK (length(code_hash) = 32),
    tries_left    int         NOT NULL CHECK (tries_left >= 0),
    sent          int         NOT NULL DEFAULT 1,
    sent_at       timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON coalition.identifier_verification TO coalition_service, coalition_tenant;

-- One row for each member that has a PIN or a rotating code. Failed tries are counted for both together.
CREATE TABLE coalition.member_secret (
    member_id      uuid        PRIMARY KEY REFERENCES coalition.member,
    handle         text        UNIQUE,                  -- says in a rotating code whose it is
    sealed_seed    bytea,                               -- of the rotating code (RFC 6238)
    last_used_step bigint      NOT NULL DEFAULT 0,      -- no code up to this one works any more,
    used_by        uuid,                                -- but for the partner it was shown to, who may
    spent          boolean     NOT NULL DEFAULT false,  -- spend with it, once
    pin_salt       bytea       CHECK (length(pin_salt) = 16),
    pin_hash       bytea       CHECK (length(pin_hash) = 32),
    failures       int         NOT NULL DEFAULT 0 CHECK (failures >= 0),
    locked_until   timestamptz,
    CHECK ((handle IS NULL) = (sealed_seed IS NULL)),
    CHECK ((pin_salt IS NULL) = (pin_hash IS NULL))
);
GRANT SELECT, INSERT, UPDATE, DELETE ON coalition.member_secret TO coalition_service;
GRANT SELECT, UPDATE (last_used_step, used_by, spent, failures, locked_until)
    ON coalition.member_secret TO coalition_tenant;
