-- End the hold r.original_id: capture r.points of it (NULL: all; the rest returns), void it, or let it lapse. Once its
-- time is over it can't be captured any more; a void gives it back whether or not it has lapsed by itself yet. It is
-- made where the hold was, unless it says another location.
-- Refusals: hold_not_found, hold_finished, hold_lapsed, hold_running, more_than_held, and those of lock.
CREATE OR REPLACE FUNCTION coalition.ledger_end_hold(r coalition.request) RETURNS coalition.outcome
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    o     coalition.outcome;
    t     coalition.txn;
    h     coalition.hold;
    ended coalition.hold_status;
    kept  record;
    taken bigint;
    part  bigint;
    n     int := 0;
BEGIN
    IF NOT coalition.ledger_claim(r) THEN
        RETURN coalition.ledger_answered(r);
    END IF;
    t := coalition.ledger_find(r.original_id);
    IF (t.partner_id = r.partner_id AND t.kind = 'hold') IS NOT TRUE THEN
        RETURN coalition.ledger_store_refusal(r, 'hold_not_found', '{}');
    END IF;
    r.member_id := t.member_id;
    r.location_id := coalesce(r.location_id, t.location_id);
    o := coalition.ledger_lock(r, true);
    IF o.refusal IS NOT NULL THEN
        RETURN coalition.ledger_refuse(r, o.refusal, o.detail);
    END IF;
    t := o.txn;
    SELECT * INTO STRICT h FROM coalition.hold x WHERE x.member_id = r.member_id AND x.hold_id = r.original_id;
    IF h.status <> 'open' THEN
        RETURN coalition.ledger_refuse(r, 'hold_finished', jsonb_build_object('hold_status', h.status));
    ELSIF r.kind = 'lapse' AND h.expires_at > t.booked_at THEN
        RETURN coalition.ledger_refuse(r, 'hold_running', jsonb_build_object('expires_at', h.expires_at));
    ELSIF r.kind = 'capture' AND h.expires_at <= t.booked_at THEN
        RETURN coalition.ledger_refuse(r, 'hold_lapsed', jsonb_build_object('expires_at', h.expires_at));
    ELSIF r.points > h.points THEN
        RETURN coalition.ledger_refuse(r, 'more_than_held', jsonb_build_object(
            'held', h.points, 'requested', r.points));
    END IF;
    taken := CASE r.kind WHEN 'capture' THEN coalesce(r.points, h.points) ELSE 0 END;
    t.points := CASE r.kind WHEN 'capture' THEN taken ELSE h.points END;
    t.held_after := t.held_after - h.points;
    t.available_after := t.available_after + h.points - taken;
    t.hold_id := h.hold_id;
    IF r.kind = 'capture' AND r.points IS NULL THEN
        t.meta := '{"whole": true}';
    END IF;

    IF NOT coalition.ledger_write(t) THEN
        RETURN coalition.ledger_known_reference(r);
    END IF;
    ended := CASE r.kind WHEN 'capture' THEN 'captured' WHEN 'void' THEN 'voided' ELSE 'lapsed' END;
    UPDATE coalition.hold x SET captured = taken, status = ended
    WHERE x.member_id = h.member_id AND x.hold_id = h.hold_id;
    -- The hold's postings stand in the order its lots expire.
    FOR kept IN SELECT p.lot_id, p.issuer_id, p.issued_on, p.points FROM coalition.posting p
                WHERE p.member_id = h.member_id AND p.txn_id = h.hold_id ORDER BY p.seq LOOP
        part := least(taken, kept.points);
        taken := taken - part;
        UPDATE coalition.lot l
        SET remaining = l.remaining - part, held = l.held - kept.points,
            is_open = l.remaining - part > l.held - kept.points
        WHERE l.member_id = h.member_id AND l.lot_id = kept.lot_id;
        IF part > 0 THEN
            n := n + 1;
            INSERT INTO coalition.posting
                (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
            VALUES (t.member_id, t.txn_id, n, 'hold', 'redemption', part, kept.lot_id, kept.issuer_id, t.partner_id,
                    t.business_date, kept.issued_on);
        END IF;
        IF part < kept.points THEN
            n := n + 1;
            INSERT INTO coalition.posting
                (member_id, txn_id, seq, debit, credit, points, lot_id, issuer_id, partner_id, business_date, issued_on)
            VALUES (t.member_id, t.txn_id, n, 'hold', 'wallet', kept.points - part, kept.lot_id, kept.issuer_id,
                    t.partner_id, t.business_date, kept.issued_on);
        END IF;
    END LOOP;
    RETURN coalition.ledger_finish(t, r.event_id);
END $$;
REVOKE EXECUTE ON FUNCTION coalition.ledger_end_hold FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.ledger_end_hold TO coalition_service;
