-- Partner accounts: who a partner is in law, what it trades as, where and in which categories, and how it came and goes.
ALTER TABLE partners.partner
    ADD legal_name      text        CHECK (length(legal_name) BETWEEN 1 AND 200),
    ADD registration_no text        CHECK (length(registration_no) BETWEEN 1 AND 50),
    ADD country         text        CHECK (country ~ '^[A-Z]{2}$'),
    -- Of a partner that leaves: no earns from, no burns from, no access from.
    ADD earns_until     timestamptz,
    ADD burns_until     timestamptz,
    ADD leaves_at       timestamptz,
    ADD CHECK (num_nulls(legal_name, registration_no, country) IN (0, 3)),
    ADD CHECK (num_nulls(earns_until, burns_until, leaves_at) IN (0, 3)),
    ADD CHECK (earns_until <= burns_until AND burns_until <= leaves_at),
    ADD CHECK (status <> 'leaving' OR leaves_at IS NOT NULL),
    ADD CHECK (status IN ('leaving', 'left') OR leaves_at IS NULL);
CREATE INDEX partner_leaving ON partners.partner (leaves_at) WHERE status = 'leaving';
GRANT UPDATE (legal_name, registration_no, country, is_issuer, is_redeemer, earns_until, burns_until, leaves_at)
    ON partners.partner TO coalition_service;

-- A partner without history was active before states were kept.
CREATE TABLE partners.state_change (
    change_id      uuid        PRIMARY KEY,
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    from_status    partners.partner_status,               -- NULL: that is how it began
    to_status      partners.partner_status NOT NULL,
    reason         text        NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    made_by        text        NOT NULL CHECK (length(made_by) BETWEEN 1 AND 100),
    at             timestamptz NOT NULL
);
CREATE INDEX state_change_partner ON partners.state_change (partner_id, change_id);

-- That the agreement was signed: by whom, when, and which document (by its hash).
CREATE TABLE partners.agreement_signature (
    signature_id   uuid        PRIMARY KEY,
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    document       text        NOT NULL CHECK (length(document) BETWEEN 1 AND 200),
    document_hash  bytea       NOT NULL CHECK (length(document_hash) = 32),
    partner_signatory   text   NOT NULL CHECK (length(partner_signatory) BETWEEN 1 AND 100),
    coalition_signatory text   NOT NULL CHECK (length(coalition_signatory) BETWEEN 1 AND 100),
    signed_on      date        NOT NULL,
    recorded_at    timestamptz NOT NULL
);
CREATE INDEX agreement_signature_partner ON partners.agreement_signature (partner_id, signature_id);

CREATE TABLE partners.brand (
    brand_id       uuid        PRIMARY KEY,
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    name           text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    created_at     timestamptz NOT NULL,
    ended_at       timestamptz
);
-- Members tell brands apart by name.
CREATE UNIQUE INDEX brand_name ON partners.brand (lower(name)) WHERE ended_at IS NULL;
CREATE INDEX brand_partner ON partners.brand (partner_id, brand_id);

CREATE TABLE partners.contact (
    contact_id     uuid        PRIMARY KEY,
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    role           text        NOT NULL CHECK (role IN ('business', 'technical', 'finance', 'legal', 'support')),
    name           text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    email          text        NOT NULL CHECK (length(email) BETWEEN 3 AND 254),
    phone          text        CHECK (phone ~ '^\+[1-9][0-9]{4,14}$'),
    created_at     timestamptz NOT NULL,
    ended_at       timestamptz
);
CREATE INDEX contact_partner ON partners.contact (partner_id, contact_id);

CREATE TABLE partners.location (
    location_id    uuid        PRIMARY KEY,
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    code           text        NOT NULL CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9-]{0,31}$'),
    name           text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    territory      text        NOT NULL CHECK (territory ~ '^[A-Z]{2}(-[A-Z0-9]{1,3})?$'),
    address        text        NOT NULL CHECK (length(address) BETWEEN 1 AND 300),
    status         text        NOT NULL CHECK (status IN ('open', 'closed')),
    created_at     timestamptz NOT NULL,
    UNIQUE (partner_id, code)
);
CREATE INDEX location_partner ON partners.location (partner_id, location_id);

CREATE TABLE partners.till (
    till_id        uuid        PRIMARY KEY,
    location_id    uuid        NOT NULL REFERENCES partners.location,
    code           text        NOT NULL CHECK (code ~ '^[A-Za-z0-9][A-Za-z0-9-]{0,31}$'),
    status         text        NOT NULL CHECK (status IN ('active', 'blocked', 'retired')),
    created_at     timestamptz NOT NULL,
    UNIQUE (location_id, code)
);

-- What a partner trades in. A path, such as `food/bakery/`, begins with the paths of all that a category is part of.
-- Since it is longer than its parent's, no category can be its own ancestor.
CREATE TABLE partners.category (
    category_id    uuid        PRIMARY KEY,
    parent_id      uuid,
    parent_path    text        COLLATE "C",
    code           text        NOT NULL CHECK (code ~ '^[a-z][a-z0-9-]{1,31}$'),
    path           text        COLLATE "C" NOT NULL UNIQUE,
    name           text        NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    created_at     timestamptz NOT NULL,
    UNIQUE (category_id, path),
    FOREIGN KEY (parent_id, parent_path) REFERENCES partners.category (category_id, path),
    CHECK ((parent_id IS NULL) = (parent_path IS NULL)),
    CHECK (path = coalesce(parent_path, '') || code || '/'),
    CHECK (length(path) - length(replace(path, '/', '')) <= 6)
);

-- A partner's place in a category and territory for some days; with a clause, it is the only one there.
CREATE TABLE partners.presence (
    presence_id    uuid        PRIMARY KEY,
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    category_id    uuid        NOT NULL,
    category_path  text        COLLATE "C" NOT NULL,
    territory      text        COLLATE "C" NOT NULL CHECK (territory ~ '^(\*|[A-Z]{2}(-[A-Z0-9]{1,3})?)$'),
    valid          daterange   NOT NULL CHECK (NOT isempty(valid) AND NOT lower_inf(valid)),
    clause         text        CHECK (length(clause) BETWEEN 1 AND 500),
    created_at     timestamptz NOT NULL,
    withdrawn_at   timestamptz,
    FOREIGN KEY (category_id, category_path) REFERENCES partners.category (category_id, path)
);
CREATE INDEX presence_partner ON partners.presence (partner_id, presence_id);
CREATE INDEX presence_valid ON partners.presence USING gist (valid) WHERE withdrawn_at IS NULL;

-- Trees as ranges: whatever is inside `food/` sorts from 'food/' up to 'food0', and inside GB from 'GB-' up to 'GB.',
-- so two of them overlap exactly if one contains the other.
CREATE TYPE partners.path_range AS RANGE (subtype = text, collation = "C");

-- What a presence claims: to stand there and, with a clause, to keep all others out. Only the trigger below writes here.
-- The first three columns of the constraint overlap for no two that stand, nor for two that keep out, nor for claims of
-- one partner; but for one partner's standing and another's keeping out. docs/decisions/0010 says how.
CREATE TABLE partners.claim (
    presence_id    uuid        NOT NULL REFERENCES partners.presence,
    keeps_out      boolean     NOT NULL,
    partner_id     uuid        NOT NULL,
    category_path  text        COLLATE "C" NOT NULL,
    territory      text        COLLATE "C" NOT NULL,
    valid          daterange   NOT NULL,
    PRIMARY KEY (presence_id, keeps_out),
    CONSTRAINT claim_exclusive EXCLUDE USING gist (
        (CASE WHEN keeps_out THEN coalition.uuid_range(NULL, NULL)
              ELSE coalition.uuid_range(presence_id, presence_id, '[]') END) WITH &&,
        (CASE WHEN keeps_out THEN coalition.uuid_range(presence_id, presence_id, '[]')
              ELSE coalition.uuid_range(NULL, NULL) END) WITH &&,
        (CASE WHEN keeps_out
              THEN coalition.uuid_multirange(coalition.uuid_range(NULL, partner_id, '()'),
                                             coalition.uuid_range(partner_id, NULL, '()'))
              ELSE coalition.uuid_multirange(coalition.uuid_range(partner_id, partner_id, '[]')) END) WITH &&,
        (partners.path_range(category_path, rtrim(category_path, '/') || '0')) WITH &&,
        (CASE territory WHEN '*' THEN partners.path_range(NULL, NULL)
              ELSE partners.path_range(territory || '-', territory || '.') END) WITH &&,
        valid WITH &&
    )
);

CREATE FUNCTION partners.claim_presence() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM partners.claim WHERE presence_id = NEW.presence_id;
    IF NEW.withdrawn_at IS NULL THEN
        INSERT INTO partners.claim
        SELECT NEW.presence_id, keeps_out, NEW.partner_id, NEW.category_path, NEW.territory, NEW.valid
        FROM unnest(ARRAY[false, true]) AS keeps_out WHERE NOT keeps_out OR NEW.clause IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER presence_claims AFTER INSERT OR UPDATE ON partners.presence
    FOR EACH ROW EXECUTE FUNCTION partners.claim_presence();

GRANT SELECT, INSERT ON partners.state_change, partners.agreement_signature, partners.brand, partners.contact,
    partners.location, partners.till, partners.category, partners.presence TO coalition_service;
GRANT SELECT ON partners.claim TO coalition_service;
GRANT UPDATE (name, ended_at) ON partners.brand TO coalition_service;
GRANT UPDATE (role, name, email, phone, ended_at) ON partners.contact TO coalition_service;
GRANT UPDATE (name, address, status) ON partners.location TO coalition_service;
GRANT UPDATE (status) ON partners.till TO coalition_service;
GRANT UPDATE (name) ON partners.category TO coalition_service;
GRANT UPDATE (valid, clause, withdrawn_at) ON partners.presence TO coalition_service;

-- Only a client without a partner administers, and that is all it does.
ALTER TABLE partners.oauth_client ADD CONSTRAINT oauth_client_admin CHECK (
    CASE WHEN partner_id IS NULL THEN scopes <@ ARRAY['admin:read', 'admin:write']
         ELSE NOT scopes && ARRAY['admin:read', 'admin:write'] END);
