-- What partners, members, staff and their clients stand on together: states, staff, more than one kind of identifier.
CREATE TYPE partners.partner_status AS ENUM ('onboarding', 'active', 'suspended', 'leaving', 'left');
ALTER TABLE partners.partner ADD status partners.partner_status NOT NULL DEFAULT 'active';
GRANT UPDATE (status, name) ON partners.partner TO coalition_service;

-- People who work for a partner, or (partner_id NULL) for the coalition. They sign in on pages; programs are clients.
CREATE TABLE partners.staff (
    staff_id       uuid        PRIMARY KEY,
    partner_id     uuid        REFERENCES partners.partner,
    email          text        NOT NULL CHECK (length(email) BETWEEN 3 AND 254 AND email = lower(email)),
    name           text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    role           text        NOT NULL CHECK (role IN ('admin', 'manager', 'cashier')),
    created_at     timestamptz NOT NULL,
    ended_at       timestamptz
);
-- An address signs in one person; who has left may come back, elsewhere.
CREATE UNIQUE INDEX staff_email ON partners.staff (email) WHERE ended_at IS NULL;
CREATE INDEX staff_partner ON partners.staff (partner_id);
GRANT SELECT, INSERT ON partners.staff TO coalition_service;
GRANT UPDATE (email, name, role, ended_at) ON partners.staff TO coalition_service;

-- A client without a partner is the coalition's own: it administers, and posts nothing.
ALTER TABLE partners.oauth_client ALTER partner_id DROP NOT NULL;

-- Found by more than a card. What has to be shown again (to send a code to, to export) is kept sealed beside the
-- fingerprint; a partner's own id for a member counts among that partner's only.
ALTER TABLE coalition.member_identifier
    DROP CONSTRAINT member_identifier_kind_check,
    ADD CONSTRAINT member_identifier_kind_check CHECK (kind IN ('card', 'phone', 'email', 'external')),
    ADD sealed      bytea,
    ADD verified_at timestamptz,
    ADD created_at  timestamptz;
GRANT UPDATE (verified_at), DELETE ON coalition.member_identifier TO coalition_service;
