-- Close every business day that is over at p_now, the oldest first, and return them. In a demo coalition its test clock
-- says which are. Nothing can land in them any more once this has committed.
CREATE FUNCTION coalition.close_days_over(p_now timestamptz) RETURNS SETOF date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p coalition.programme;
BEGIN
    SELECT * INTO p FROM coalition.programme;
    IF NOT FOUND OR (coalesce(p.test_now, p_now) AT TIME ZONE p.time_zone)::date <= p.open_day THEN
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(coalition.day_gate());
    SELECT * INTO STRICT p FROM coalition.programme FOR UPDATE;  -- somebody else may have closed it while we waited
    WHILE (coalesce(p.test_now, p_now) AT TIME ZONE p.time_zone)::date > p.open_day LOOP
        INSERT INTO coalition.sealed_day (day, closed_at) VALUES (p.open_day, p_now);
        RETURN NEXT p.open_day;
        p.open_day := p.open_day + 1;
    END LOOP;
    UPDATE coalition.programme SET open_day = p.open_day;
END $$;
REVOKE EXECUTE ON FUNCTION coalition.close_days_over FROM PUBLIC;
GRANT EXECUTE ON FUNCTION coalition.close_days_over TO coalition_service;

-- As it was, but the days the clock passes are closed with it: what is posted next is posted into its own day.
CREATE OR REPLACE FUNCTION coalition.set_test_clock(p_now timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    programme coalition.programme;
BEGIN
    -- The gate before the row, as in closing a day, so that the two can't wait for each other.
    IF (SELECT p.test_now IS NULL OR (p_now AT TIME ZONE p.time_zone)::date > p.open_day FROM coalition.programme p) THEN
        PERFORM pg_advisory_xact_lock(coalition.day_gate());
    END IF;
    SELECT * INTO STRICT programme FROM coalition.programme FOR UPDATE;
    IF programme.test_now IS NULL THEN
        IF EXISTS (SELECT FROM coalition.txn) OR EXISTS (SELECT FROM coalition.sealed_day) THEN
            RETURN 'live';
        END IF;
        UPDATE coalition.programme SET test_now = p_now, open_day = (p_now AT TIME ZONE time_zone)::date;
    ELSIF p_now < programme.test_now THEN
        RETURN 'backwards';
    ELSE
        UPDATE coalition.programme SET test_now = p_now;
        PERFORM coalition.close_days_over(clock_timestamp());  -- closed_at is by the true clock
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION settlement.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% refuses %: what is settled stays', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$;

-- What was burned on `day` and could not be priced: left out of that night, and taken into a later one once it can be.
CREATE TABLE settlement.set_aside (
    day            date        NOT NULL REFERENCES settlement.settled_day,
    payer_id       uuid        NOT NULL REFERENCES partners.partner,
    payee_id       uuid        NOT NULL REFERENCES partners.partner,
    issued_on      date        NOT NULL,
    points         bigint      NOT NULL,
    code           text        NOT NULL,
    settled_on     date        REFERENCES settlement.settled_day CHECK (settled_on > day),
    PRIMARY KEY (day, payer_id, payee_id, issued_on)
);
CREATE INDEX set_aside_settled ON settlement.set_aside (settled_on);
GRANT SELECT, INSERT, UPDATE (settled_on) ON settlement.set_aside TO coalition_service;
GRANT SELECT ON settlement.set_aside TO coalition_reports;
CREATE TRIGGER append_only BEFORE UPDATE ON settlement.set_aside FOR EACH ROW
    WHEN (OLD.settled_on IS NOT NULL
          OR (OLD.day, OLD.payer_id, OLD.payee_id, OLD.issued_on, OLD.points, OLD.code)
             IS DISTINCT FROM (NEW.day, NEW.payer_id, NEW.payee_id, NEW.issued_on, NEW.points, NEW.code))
    EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_delete BEFORE DELETE ON settlement.set_aside
    FOR EACH ROW EXECUTE FUNCTION settlement.refuse_change();
CREATE TRIGGER no_truncate BEFORE TRUNCATE ON settlement.set_aside
    FOR EACH STATEMENT EXECUTE FUNCTION settlement.refuse_change();

-- What keeps a night from being settled, until it is.
CREATE TABLE settlement.night_fault (
    day            date        PRIMARY KEY,
    code           text        NOT NULL,
    detail         text        NOT NULL,
    since          timestamptz NOT NULL,
    last_at        timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON settlement.night_fault TO coalition_service;
GRANT SELECT ON settlement.night_fault TO coalition_reports;
