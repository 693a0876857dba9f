-- Partner accounts: who a partner is in law, what it trades as, where and in which categories, how it came and goes,
-- who works for it, and whose points it may award.
CREATE SCHEMA partners;
GRANT USAGE ON SCHEMA partners TO coalition_service, coalition_tenant, coalition_reports;

-- An entry of the audit stays as it is.
CREATE OR REPLACE FUNCTION partners.audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only';
END $$;
REVOKE EXECUTE ON FUNCTION partners.audit_refuse FROM PUBLIC;

-- Keep what the exclusion constraint compares as the placement says.
CREATE OR REPLACE FUNCTION partners.write_exclusivity() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM partners.exclusivity WHERE placement_id = NEW.placement_id;
    IF NEW.withdrawn_at IS NULL THEN
        INSERT INTO partners.exclusivity
            (placement_id, is_exclusive, partner_id, category_path, territory, valid)
        SELECT NEW.placement_id, is_exclusive, NEW.partner_id, NEW.category_path, NEW.territory, NEW.valid
        FROM unnest(ARRAY[false, true]) AS is_exclusive WHERE NOT is_exclusive OR NEW.clause IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION partners.write_exclusivity FROM PUBLIC;

CREATE TYPE partners.partner_status AS ENUM ('onboarding', 'active', 'suspended', 'leaving', 'left');

CREATE TABLE partners.partner (
    partner_id      uuid        PRIMARY KEY,
    code            text        NOT NULL UNIQUE CHECK (code ~ '^[a-z][a-z0-9-]{1,31}$'),
    name            text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    is_issuer       boolean     NOT NULL,
    is_redeemer     boolean     NOT NULL,
    created_at      timestamptz NOT NULL,
    status          partners.partner_status NOT NULL DEFAULT 'active',
    legal_name      text        CHECK (length(legal_name) BETWEEN 1 AND 200),
    registration_no text        CHECK (length(registration_no) BETWEEN 1 AND 50),
    country         text        CHECK (country ~ '^[A-Z]{2}$'),
    -- Of a partner that leaves: no earns from, no burns from, no access from.
    earns_until     timestamptz,
    burns_until     timestamptz,
    leaves_at       timestamptz,
    -- Of what admins change: raised by every change, what ETags are made of.
    version         int         NOT NULL DEFAULT 1,
    CHECK (is_issuer OR is_redeemer),
    CHECK (num_nulls(legal_name, registration_no, country) IN (0, 3)),
    CHECK (num_nulls(earns_until, burns_until, leaves_at) IN (0, 3)),
    CHECK (earns_until <= burns_until AND burns_until <= leaves_at),
    CHECK (status <> 'leaving' OR leaves_at IS NOT NULL),
    CHECK (status IN ('leaving', 'left') OR leaves_at IS NULL)
);
CREATE INDEX partner_leaving ON partners.partner (leaves_at) WHERE status = 'leaving';
CREATE TRIGGER version BEFORE UPDATE ON partners.partner
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION kit.raise_version();
ALTER TABLE partners.partner ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.partner TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.partner TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE (name, is_issuer, is_redeemer, status, legal_name, registration_no, country, earns_until,
    burns_until, leaves_at) ON partners.partner TO coalition_service;
GRANT SELECT ON partners.partner TO coalition_reports;

-- A partner's states. One without history was active from the start.
CREATE TABLE partners.state_change (
    change_id   uuid        PRIMARY KEY,
    partner_id  uuid        NOT NULL REFERENCES partners.partner,
    from_status partners.partner_status,  -- NULL: that is how it began
    to_status   partners.partner_status NOT NULL,
    reason      text        NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    made_by     text        NOT NULL CHECK (length(made_by) BETWEEN 1 AND 100),
    at          timestamptz NOT NULL
);
CREATE INDEX state_change_partner ON partners.state_change (partner_id, change_id);
ALTER TABLE partners.state_change ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.state_change TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.state_change TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT ON partners.state_change TO coalition_service;
GRANT SELECT (change_id, partner_id, from_status, to_status, at) ON partners.state_change TO coalition_reports;

-- That the agreement was signed: by whom, when, and which document (by its hash).
CREATE TABLE partners.agreement_signature (
    signature_id        uuid        PRIMARY KEY,
    partner_id          uuid        NOT NULL REFERENCES partners.partner,
    document            text        NOT NULL CHECK (length(document) BETWEEN 1 AND 200),
    document_hash       bytea       NOT NULL CHECK (length(document_hash) = 32),
    partner_signatory   text        NOT NULL CHECK (length(partner_signatory) BETWEEN 1 AND 100),
    coalition_signatory text        NOT NULL CHECK (length(coalition_signatory) BETWEEN 1 AND 100),
    signed_on           date        NOT NULL,
    recorded_at         timestamptz NOT NULL
);
CREATE INDEX agreement_signature_partner ON partners.agreement_signature (partner_id, signature_id);
ALTER TABLE partners.agreement_signature ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.agreement_signature TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.agreement_signature TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT ON partners.agreement_signature TO coalition_service;
GRANT SELECT (signature_id, partner_id, document, signed_on, recorded_at)
    ON partners.agreement_signature TO coalition_reports;

CREATE TABLE partners.brand (
    brand_id   uuid        PRIMARY KEY,
    partner_id uuid        NOT NULL REFERENCES partners.partner,
    name       text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    created_at timestamptz NOT NULL,
    ended_at   timestamptz,
    version    int         NOT NULL DEFAULT 1
);
-- Members tell brands apart by name.
CREATE UNIQUE INDEX brand_name ON partners.brand (lower(name)) WHERE ended_at IS NULL;
CREATE INDEX brand_partner ON partners.brand (partner_id, brand_id);
CREATE TRIGGER version BEFORE UPDATE ON partners.brand
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION kit.raise_version();
ALTER TABLE partners.brand ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.brand TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.brand TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE (name, ended_at) ON partners.brand TO coalition_service;
GRANT SELECT ON partners.brand TO coalition_reports;

CREATE TABLE partners.contact (
    contact_id uuid        PRIMARY KEY,
    partner_id uuid        NOT NULL REFERENCES partners.partner,
    role       text        NOT NULL CHECK (role IN ('business', 'technical', 'finance', 'legal', 'support')),
    name       text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    email      text        NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    phone      text        CHECK (phone ~ '^\+[1-9][0-9]{4,14}$'),
    created_at timestamptz NOT NULL,
    ended_at   timestamptz,
    version    int         NOT NULL DEFAULT 1
);
CREATE INDEX contact_partner ON partners.contact (partner_id, contact_id);
CREATE TRIGGER version BEFORE UPDATE ON partners.contact
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION kit.raise_version();
ALTER TABLE partners.contact ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.contact TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.contact TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE (role, name, email, phone, ended_at) ON partners.contact TO coalition_service;

CREATE TABLE partners.location (
    location_id uuid        PRIMARY KEY,
    partner_id  uuid        NOT NULL REFERENCES partners.partner,
    code        text        NOT NULL CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9-]{0,31}$'),
    name        text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    territory   text        NOT NULL CHECK (territory ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$'),
    address     text        NOT NULL CHECK (length(address) BETWEEN 1 AND 300),
    status      text        NOT NULL CHECK (status IN ('open', 'closed')),
    created_at  timestamptz NOT NULL,
    version     int         NOT NULL DEFAULT 1,
    UNIQUE (partner_id, code)
);
CREATE INDEX location_partner ON partners.location (partner_id, location_id);
CREATE TRIGGER version BEFORE UPDATE ON partners.location
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION kit.raise_version();
ALTER TABLE partners.location ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.location TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.location TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE (code, name, territory, address, status) ON partners.location TO coalition_service;
GRANT SELECT ON partners.location TO coalition_reports;

CREATE TABLE partners.till (
    till_id     uuid        PRIMARY KEY,
    location_id uuid        NOT NULL REFERENCES partners.location,
    code        text        NOT NULL CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9-]{0,31}$'),
    status      text        NOT NULL CHECK (status IN ('active', 'blocked', 'retired')),
    created_at  timestamptz NOT NULL,
    version     int         NOT NULL DEFAULT 1,
    UNIQUE (location_id, code)
);
CREATE TRIGGER version BEFORE UPDATE ON partners.till
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION kit.raise_version();
ALTER TABLE partners.till ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.till TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.till TO coalition_tenant
    USING (EXISTS (SELECT FROM partners.location l WHERE l.location_id = till.location_id));
GRANT SELECT, INSERT, UPDATE (status) ON partners.till TO coalition_service;
GRANT SELECT ON partners.till TO coalition_reports;

-- What a partner trades in. A path, such as `food/bakery/`, begins with the paths of all that a category is part of.
-- Since it is longer than its parent's, no category can be its own ancestor.
CREATE TABLE partners.category (
    category_id uuid        PRIMARY KEY,
    parent_id   uuid,
    parent_path text COLLATE "C",
    code        text        NOT NULL CHECK (code ~ '^[a-z][a-z0-9-]{1,31}$'),
    path        text COLLATE "C" NOT NULL UNIQUE CHECK (length(path) - length(replace(path, '/', '')) <= 6),
    name        text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    created_at  timestamptz NOT NULL,
    version     int         NOT NULL DEFAULT 1,
    UNIQUE (category_id, path),
    FOREIGN KEY (parent_id, parent_path) REFERENCES partners.category (category_id, path),
    CHECK ((parent_id IS NULL) = (parent_path IS NULL)),
    CHECK (path = coalesce(parent_path, '') || code || '/')
);
CREATE TRIGGER version BEFORE UPDATE ON partners.category
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION kit.raise_version();
GRANT SELECT, INSERT, UPDATE (name) ON partners.category TO coalition_service;
GRANT SELECT ON partners.category TO coalition_reports;

-- A partner's place in a category and territory for some days; with a clause, it is the only one there.
CREATE TABLE partners.placement (
    placement_id   uuid        PRIMARY KEY,
    partner_id    uuid        NOT NULL REFERENCES partners.partner,
    category_id   uuid        NOT NULL,
    category_path text COLLATE "C" NOT NULL,
    territory     text COLLATE "C" NOT NULL CHECK (territory ~ '^(\*|[A-Z]{2}(-[A-Z0-9]{1,3})?)$'),
    valid         daterange   NOT NULL CHECK (NOT isempty(valid) AND NOT lower_inf(valid)),
    clause        text        CHECK (length(clause) BETWEEN 1 AND 500),
    created_at    timestamptz NOT NULL,
    withdrawn_at  timestamptz,
    version       int         NOT NULL DEFAULT 1,
    FOREIGN KEY (category_id, category_path) REFERENCES partners.category (category_id, path)
);
CREATE INDEX placement_partner ON partners.placement (partner_id, placement_id);
CREATE INDEX placement_valid ON partners.placement USING gist (valid) WHERE withdrawn_at IS NULL;
CREATE TRIGGER exclusivity AFTER INSERT OR UPDATE ON partners.placement
    FOR EACH ROW EXECUTE FUNCTION partners.write_exclusivity();
CREATE TRIGGER version BEFORE UPDATE ON partners.placement
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION kit.raise_version();
ALTER TABLE partners.placement ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.placement TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.placement TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE (valid, clause, withdrawn_at) ON partners.placement TO coalition_service;
GRANT SELECT ON partners.placement TO coalition_reports;

-- Trees as ranges: whatever is inside `food/` sorts from 'food/' up to 'food0', and inside GB from 'GB-' up to 'GB.',
-- so two of them overlap exactly if one contains the other.
CREATE TYPE partners.path_range AS RANGE (subtype = text, collation = "C");

-- What a placement says: the partner is there and, with a clause, exclusively. Only the trigger of placements
-- writes here. The first three columns of the constraint overlap for no two that are there, nor for two exclusive ones,
-- nor for rows of one partner; but for one partner's being there and another's exclusivity: docs/decisions/0010.
CREATE TABLE partners.exclusivity (
    placement_id   uuid      NOT NULL REFERENCES partners.placement,
    is_exclusive     boolean   NOT NULL,
    partner_id    uuid      NOT NULL,
    category_path text COLLATE "C" NOT NULL,
    territory     text COLLATE "C" NOT NULL,
    valid         daterange NOT NULL,
    PRIMARY KEY (placement_id, is_exclusive),
    CONSTRAINT conflicts_with EXCLUDE USING gist (
        (CASE WHEN is_exclusive THEN coalition.uuid_range(NULL, NULL)
              ELSE coalition.uuid_range(placement_id, placement_id, '[]') END) WITH &&,
        (CASE WHEN is_exclusive THEN coalition.uuid_range(placement_id, placement_id, '[]')
              ELSE coalition.uuid_range(NULL, NULL) END) WITH &&,
        (CASE WHEN is_exclusive
              THEN coalition.uuid_multirange(coalition.uuid_range(NULL, partner_id, '()'),
                                             coalition.uuid_range(partner_id, NULL, '()'))
              ELSE coalition.uuid_multirange(coalition.uuid_range(partner_id, partner_id, '[]')) END) WITH &&,
        (partners.path_range(category_path, rtrim(category_path, '/') || '0')) WITH &&,
        (CASE territory WHEN '*' THEN partners.path_range(NULL, NULL)
              ELSE partners.path_range(territory || '-', territory || '.') END) WITH &&,
        valid WITH &&
    )
);
ALTER TABLE partners.exclusivity ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.exclusivity TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.exclusivity TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT ON partners.exclusivity TO coalition_service;

-- People who work for a partner, or (partner_id NULL) for the coalition. They sign in on pages; programs are clients.
CREATE TABLE partners.staff (
    staff_id   uuid        PRIMARY KEY,
    partner_id uuid        REFERENCES partners.partner,
    email      text        NOT NULL CHECK (length(email) BETWEEN 3 AND 254 AND email = lower(email)),
    name       text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    role       text        NOT NULL CHECK (role IN ('admin', 'manager', 'cashier')),
    created_at timestamptz NOT NULL,
    ended_at   timestamptz,
    version    int         NOT NULL DEFAULT 1
);
-- An address signs in one person; who has left may come back, elsewhere.
CREATE UNIQUE INDEX staff_email ON partners.staff (email) WHERE ended_at IS NULL;
CREATE INDEX staff_partner ON partners.staff (partner_id);
CREATE TRIGGER version BEFORE UPDATE ON partners.staff
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION kit.raise_version();
ALTER TABLE partners.staff ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.staff TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.staff TO coalition_tenant USING (partner_id = kit.partner());
GRANT SELECT, INSERT, UPDATE (email, name, role, ended_at) ON partners.staff TO coalition_service;

-- An issuer lets a partner award its points: it stands until it is withdrawn.
CREATE TABLE partners.award_permission (
    permission_id  uuid        PRIMARY KEY,
    issuer_id      uuid        NOT NULL REFERENCES partners.partner,
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    most_per_award bigint      NOT NULL CHECK (most_per_award > 0),
    given_at       timestamptz NOT NULL,
    withdrawn_at   timestamptz,
    CHECK (issuer_id <> partner_id)
);
CREATE UNIQUE INDEX award_permission_stands ON partners.award_permission (issuer_id, partner_id)
    WHERE withdrawn_at IS NULL;
CREATE INDEX award_permission_partner ON partners.award_permission (partner_id);
ALTER TABLE partners.award_permission ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON partners.award_permission TO coalition_service, coalition_reports USING (true);
CREATE POLICY own ON partners.award_permission TO coalition_tenant USING (kit.partner() IN (issuer_id, partner_id));
GRANT SELECT, INSERT, UPDATE (withdrawn_at) ON partners.award_permission TO coalition_service;
