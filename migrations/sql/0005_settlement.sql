-- Settlement: the dated prices, and what each settled day left. A settled day is written once and never again.
CREATE SCHEMA settlement;
GRANT USAGE ON SCHEMA settlement TO coalition_service;

CREATE TABLE settlement.agreement (
    agreement_id   uuid        PRIMARY KEY,
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    version        int         NOT NULL CHECK (version > 0),
    valid          daterange   NOT NULL CHECK (NOT isempty(valid)),
    currency       text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    redemption_price_minor numeric NOT NULL CHECK (redemption_price_minor >= 0),  -- minor units per point
    created_at     timestamptz NOT NULL,
    UNIQUE (partner_id, version),
    EXCLUDE USING gist (coalition.uuid_range(partner_id, partner_id, '[]') WITH &&, valid WITH &&)
);

CREATE TABLE settlement.settled_day (
    day            date        PRIMARY KEY,
    content_hash   bytea       NOT NULL CHECK (length(content_hash) = 32),
    calculated_at  timestamptz NOT NULL
);

CREATE TABLE settlement.obligation (
    day            date        NOT NULL REFERENCES settlement.settled_day,
    payer_id       uuid        NOT NULL REFERENCES partners.partner,
    payee_id       uuid        NOT NULL REFERENCES partners.partner,
    agreement_id   uuid        NOT NULL REFERENCES settlement.agreement,
    currency       text        NOT NULL,
    points         bigint      NOT NULL,   -- burned less given back: negative when returns outweigh
    amount_minor   bigint      NOT NULL,   -- same sign as points
    PRIMARY KEY (day, payer_id, payee_id, agreement_id)
);

CREATE TABLE settlement.net_position (
    day            date        NOT NULL REFERENCES settlement.settled_day,
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    currency       text        NOT NULL,
    amount_minor   bigint      NOT NULL,   -- what the partner receives; negative: what it owes
    PRIMARY KEY (day, partner_id, currency)
);

CREATE TABLE settlement.payment (
    day            date        NOT NULL REFERENCES settlement.settled_day,
    seq            int         NOT NULL CHECK (seq > 0),
    payer_id       uuid        NOT NULL REFERENCES partners.partner,
    payee_id       uuid        NOT NULL REFERENCES partners.partner,
    currency       text        NOT NULL,
    amount_minor   bigint      NOT NULL CHECK (amount_minor > 0),
    PRIMARY KEY (day, seq),
    CHECK (payer_id <> payee_id)
);

CREATE TABLE settlement.statement (
    statement_id   uuid        PRIMARY KEY,
    day            date        NOT NULL REFERENCES settlement.settled_day,
    partner_id     uuid        NOT NULL REFERENCES partners.partner,
    body           bytea       NOT NULL,   -- the statement itself, JSON, frozen
    content_hash   bytea       NOT NULL CHECK (length(content_hash) = 32),
    UNIQUE (day, partner_id)
);

GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA settlement TO coalition_service;
GRANT UPDATE (valid) ON settlement.agreement TO coalition_service;
