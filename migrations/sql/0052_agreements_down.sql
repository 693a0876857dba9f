ALTER TABLE settlement.agreement
    DROP COLUMN funding, DROP COLUMN issue_price_minor, DROP COLUMN fee_per_point_minor, DROP COLUMN fee_percent,
    DROP COLUMN fee_minimum_minor, DROP COLUMN breakage_share_percent, DROP COLUMN vat_percent, DROP COLUMN cycle,
    DROP COLUMN exposure_limit_minor, DROP COLUMN deposit_minor, DROP COLUMN legal_name, DROP COLUMN legal_address,
    DROP COLUMN tax_id, DROP COLUMN iban, DROP COLUMN bic;
GRANT SELECT ON settlement.agreement TO coalition_reports;
