-- All that an agreement says beside its redemption price. Amounts are minor units of its currency.
ALTER TABLE settlement.agreement
    ADD COLUMN funding                text    NOT NULL DEFAULT 'on_burn' CHECK (funding IN ('on_burn', 'on_earn')),
    ADD COLUMN issue_price_minor      numeric NOT NULL DEFAULT 0 CHECK (issue_price_minor BETWEEN 0 AND 1000000),
    ADD COLUMN fee_per_point_minor    numeric NOT NULL DEFAULT 0 CHECK (fee_per_point_minor BETWEEN 0 AND 1000000),
    ADD COLUMN fee_percent            numeric NOT NULL DEFAULT 0 CHECK (fee_percent BETWEEN 0 AND 100),
    ADD COLUMN fee_minimum_minor      bigint  NOT NULL DEFAULT 0 CHECK (fee_minimum_minor BETWEEN 0 AND 1000000000000000),
    ADD COLUMN breakage_share_percent numeric NOT NULL DEFAULT 0 CHECK (breakage_share_percent BETWEEN 0 AND 100),
    ADD COLUMN vat_percent            numeric NOT NULL DEFAULT 0 CHECK (vat_percent BETWEEN 0 AND 100),
    ADD COLUMN cycle                  text    NOT NULL DEFAULT 'daily' CHECK (cycle IN ('daily', 'weekly', 'monthly')),
    ADD COLUMN exposure_limit_minor   bigint  CHECK (exposure_limit_minor BETWEEN 0 AND 1000000000000000),
    ADD COLUMN deposit_minor          bigint  NOT NULL DEFAULT 0 CHECK (deposit_minor BETWEEN 0 AND 1000000000000000),
    ADD COLUMN legal_name             text    CHECK (length(legal_name) BETWEEN 1 AND 140),
    ADD COLUMN legal_address          text    CHECK (length(legal_address) BETWEEN 1 AND 300),
    ADD COLUMN tax_id                 text    CHECK (length(tax_id) BETWEEN 1 AND 35),
    ADD COLUMN iban                   text    CHECK (iban ~ '^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$'),
    ADD COLUMN bic                    text    CHECK (bic ~ '^[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?$'),
    -- What is paid for when it is issued has a price then; what is paid for when it is burned has none before.
    ADD CONSTRAINT agreement_funding_price CHECK ((funding = 'on_earn') = (issue_price_minor > 0)),
    ADD CONSTRAINT agreement_breakage_of_funded CHECK (funding = 'on_earn' OR breakage_share_percent = 0);

-- Any partner's requests may read what prices points that cross, of every issuer: so this much and no more.
GRANT SELECT (funding) ON settlement.agreement TO coalition_tenant;

-- Reports see everything but the bank account.
REVOKE SELECT ON settlement.agreement FROM coalition_reports;
GRANT SELECT (agreement_id, partner_id, version, valid, currency, redemption_price_minor, created_at, revision, funding,
    issue_price_minor, fee_per_point_minor, fee_percent, fee_minimum_minor, breakage_share_percent, vat_percent, cycle,
    exposure_limit_minor, deposit_minor, legal_name, legal_address, tax_id) ON settlement.agreement TO coalition_reports;
