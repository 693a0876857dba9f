-- What a partner's request may touch at all; the policies made beside this say which rows of it (docs/decisions/0016).

-- Whose request this transaction is for, said as it begins; NULL: nobody's.
CREATE FUNCTION kit.partner() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('coalition.partner', true), '')::uuid $$;
-- The member who gave the consent behind it, if one did.
CREATE FUNCTION kit.member() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('coalition.member', true), '')::uuid $$;

-- What is asked for outside of a transaction, where no partner's rows are there, and what counts others' rows too.

-- Whether the key or the reference was answered before.
CREATE FUNCTION coalition.ledger_is_answered(p_partner_id uuid, p_key text, p_reference text, p_kind coalition.txn_kind)
RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM coalition.idempotency i WHERE i.partner_id = p_partner_id AND i.key = p_key)
        OR EXISTS (SELECT FROM coalition.txn t
                   WHERE t.partner_id = p_partner_id AND t.reference = p_reference AND t.kind = p_kind)
$$;

-- What a member's last transaction booked up to p_at left in the wallet, whosever it was; no row: no such member.
CREATE FUNCTION coalition.wallet_at(
    p_member_id uuid, p_at timestamptz, OUT available bigint, OUT held bigint, OUT pending bigint, OUT owed bigint
) RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(t.available_after, 0), coalesce(t.held_after, 0), coalesce(t.pending_after, 0),
           coalesce(t.owed_after, 0)
    FROM coalition.wallet w LEFT JOIN LATERAL (
        SELECT * FROM coalition.txn x WHERE x.member_id = w.member_id AND x.booked_at <= p_at
        ORDER BY x.member_seq DESC LIMIT 1) t ON true
    WHERE w.member_id = p_member_id
$$;

-- By how many identifiers a member is found, other partners' own ids among them.
CREATE FUNCTION coalition.count_identifiers(p_member_id uuid) RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS
$$ SELECT count(*) FROM coalition.member_identifier i WHERE i.member_id = p_member_id $$;

REVOKE EXECUTE ON FUNCTION coalition.ledger_is_answered, coalition.wallet_at, coalition.count_identifiers FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_is_answered, coalition.wallet_at, coalition.count_identifiers
    TO coalition_service, coalition_tenant;

-- The log of requests is written by COPY, which no table with row-level security takes; so it is read through this.
CREATE VIEW partners.request_seen WITH (security_barrier) AS
    SELECT * FROM partners.request WHERE current_user = 'coalition_service' OR partner_id = kit.partner();
GRANT SELECT ON partners.request_seen TO coalition_service, coalition_tenant;

GRANT USAGE ON SCHEMA kit, coalition, partners, webhooks, settlement TO coalition_tenant;

GRANT SELECT, INSERT ON kit.event TO coalition_tenant;

GRANT SELECT (programme_id, currency, time_zone, open_day, test_now, pin_free_points) ON coalition.programme
    TO coalition_tenant;
GRANT SELECT, INSERT, UPDATE (erased_at) ON coalition.member TO coalition_tenant;
GRANT SELECT, INSERT, UPDATE (verified_at), DELETE ON coalition.member_identifier TO coalition_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE ON coalition.identifier_verification TO coalition_tenant;
GRANT SELECT, UPDATE (failures, locked_until, last_used_step, used_by, spent) ON coalition.member_secret
    TO coalition_tenant;
GRANT SELECT ON coalition.wallet, coalition.txn, coalition.posting, coalition.hold TO coalition_tenant;
GRANT SELECT (member_id, lot_id, issuer_id, issued_on, expires_on, remaining, held, is_open) ON coalition.lot
    TO coalition_tenant;
GRANT EXECUTE ON FUNCTION coalition.ledger_open_wallet, coalition.ledger_post, coalition.ledger_earn,
    coalition.ledger_burn, coalition.ledger_end_hold, coalition.ledger_reverse, coalition.ledger_claw_back
    TO coalition_tenant;

GRANT SELECT (client_id, partner_id, revoked_at) ON partners.oauth_client TO coalition_tenant;
GRANT SELECT, UPDATE (revoked_at) ON partners.oauth_grant TO coalition_tenant;
GRANT SELECT, INSERT, UPDATE (content_hash, lines, status, finished_at) ON partners.batch_file TO coalition_tenant;
GRANT SELECT, INSERT ON partners.batch_part TO coalition_tenant;
-- Whether a member has one.
GRANT SELECT (subject_id, kind) ON partners.passkey TO coalition_tenant;
GRANT SELECT, INSERT ON partners.fault_met TO coalition_tenant;
GRANT EXECUTE ON FUNCTION partners.audit_head, partners.audit_append TO coalition_tenant;

GRANT SELECT (endpoint_id, partner_id, url, event_types, status, created_at, version), INSERT,
    UPDATE (status) ON webhooks.endpoint TO coalition_tenant;
GRANT SELECT, UPDATE (state, due_at, completed_at) ON webhooks.delivery TO coalition_tenant;
GRANT SELECT ON webhooks.attempt TO coalition_tenant;

GRANT SELECT (agreement_id, partner_id, version, valid, currency, redemption_price_minor) ON settlement.agreement
    TO coalition_tenant;

-- For reports: what was posted, owed and paid, and by whom; no secret, no identifier, no name or address of a person.
GRANT USAGE ON SCHEMA coalition, partners, webhooks, settlement TO coalition_reports;
GRANT SELECT (currency, time_zone, expiry_months, open_day, created_at, return_policy, grace_days, warn_days)
    ON coalition.programme TO coalition_reports;
GRANT SELECT ON coalition.sealed_day, coalition.earning_rate, coalition.member, coalition.wallet, coalition.lot,
    coalition.posting, coalition.hold, coalition.debt TO coalition_reports;
-- Not its `meta`: it names who adjusted a wallet, and why.
GRANT SELECT (member_id, member_seq, txn_id, kind, partner_id, points, uncovered, available_after, reference,
    reverses_txn_id, amount_minor, currency, points_per_unit, minor_per_unit, expires_on, effective_at, booked_at,
    business_date, original_business_date, held_after, pending_after, owed_after, repaid, hold_id, due_at)
    ON coalition.txn TO coalition_reports;
GRANT SELECT ON partners.partner, partners.brand, partners.category, partners.presence, partners.location,
    partners.till TO coalition_reports;
GRANT SELECT (change_id, partner_id, from_status, to_status, at) ON partners.state_change TO coalition_reports;
GRANT SELECT (signature_id, partner_id, document, signed_on, recorded_at) ON partners.agreement_signature
    TO coalition_reports;
GRANT SELECT (client_id, partner_id, kind, scopes, created_at, revoked_at) ON partners.oauth_client
    TO coalition_reports;
GRANT SELECT (endpoint_id, partner_id, event_types, status, created_at) ON webhooks.endpoint TO coalition_reports;
GRANT SELECT ON webhooks.delivery TO coalition_reports;
GRANT SELECT (delivery_id, attempt_no, started_at, outcome, status_code, duration_ms) ON webhooks.attempt
    TO coalition_reports;
GRANT SELECT ON ALL TABLES IN SCHEMA settlement TO coalition_reports;
