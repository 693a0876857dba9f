-- A request by the names of its fields: what a caller doesn't know of stays NULL. PostgreSQL inlines the call, so it
-- costs nothing (docs/decisions/0025).
CREATE OR REPLACE FUNCTION coalition.request(
    kind coalition.txn_kind DEFAULT NULL, partner_id uuid DEFAULT NULL, key text DEFAULT NULL,
    request_hash bytea DEFAULT NULL, txn_id uuid DEFAULT NULL, event_id uuid DEFAULT NULL,
    now timestamptz DEFAULT NULL, member_id uuid DEFAULT NULL, original_id uuid DEFAULT NULL,
    reference text DEFAULT NULL, points bigint DEFAULT NULL, amount_minor bigint DEFAULT NULL,
    currency text DEFAULT NULL, effective_at timestamptz DEFAULT NULL, due_at timestamptz DEFAULT NULL,
    meta jsonb DEFAULT NULL, location_id uuid DEFAULT NULL, location_code text DEFAULT NULL
) RETURNS coalition.request LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ROW(request.kind, request.partner_id, request.key, request.request_hash, request.txn_id,
               request.event_id, request.now, request.member_id, request.original_id, request.reference,
               request.points, request.amount_minor, request.currency, request.effective_at, request.due_at,
               request.meta, request.location_id, request.location_code)::coalition.request
$$;
REVOKE EXECUTE ON FUNCTION coalition.request FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.request TO coalition_service, coalition_tenant;
