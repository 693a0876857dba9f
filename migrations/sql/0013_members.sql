-- Members known by more than a card: what they prove themselves with, e-mail addresses they confirm, erased members.
ALTER TABLE coalition.member ADD erased_at timestamptz;
GRANT UPDATE (erased_at) ON coalition.member TO coalition_service;

ALTER TABLE coalition.member_identifier
    ADD identifier_id uuid NOT NULL DEFAULT gen_random_uuid(),
    ADD partner_id    uuid,                          -- of an external id: whose it is
    ADD CONSTRAINT member_identifier_external CHECK ((kind = 'external') = (partner_id IS NOT NULL));
CREATE UNIQUE INDEX member_identifier_id ON coalition.member_identifier (identifier_id);

-- One row for each member that has a PIN or a rotating code. Failed tries are counted for both together.
CREATE TABLE coalition.member_secret (
    member_id      uuid        PRIMARY KEY REFERENCES coalition.member,
    handle         text        UNIQUE,                             -- says in a rotating code whose it is
    sealed_seed    bytea,                                          -- of the rotating code (RFC 6238)
    last_used_step bigint      NOT NULL DEFAULT 0,                 -- no code up to this one works any more,
    used_by        uuid,                                           -- but for the partner it was shown to, who may
    spent          boolean     NOT NULL DEFAULT false,             -- spend with it, once
    pin_salt       bytea       CHECK (length(pin_salt) = 16),
    pin_hash       bytea       CHECK (length(pin_hash) = 32),
    failures       int         NOT NULL DEFAULT 0 CHECK (failures >= 0),
    locked_until   timestamptz,
    CHECK ((handle IS NULL) = (sealed_seed IS NULL)),
    CHECK ((pin_salt IS NULL) = (pin_hash IS NULL))
);

-- A code that was sent to an identifier.
CREATE TABLE coalition.identifier_verification (
    identifier_id  uuid        PRIMARY KEY REFERENCES coalition.member_identifier (identifier_id) ON DELETE CASCADE,
    code_hash      bytea       NOT NULL CHECK (length(code_hash) = 32),
    tries_left     int         NOT NULL CHECK (tries_left >= 0),
    sent           int         NOT NULL DEFAULT 1,
    sent_at        timestamptz NOT NULL,
    expires_at     timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON coalition.member_secret, coalition.identifier_verification TO coalition_service;

-- Up to how many points a burn or hold takes no more than a static identifier; NULL: any number.
ALTER TABLE coalition.programme
    ADD pin_free_points bigint CHECK (pin_free_points >= 0);
GRANT UPDATE (pin_free_points) ON coalition.programme TO coalition_service;

-- A request that was answered needs no proof a second time, so it has to be known before the ledger is asked.
GRANT SELECT (partner_id, key) ON coalition.idempotency TO coalition_service;
