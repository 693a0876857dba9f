CREATE OR REPLACE FUNCTION coalition.set_test_clock(p_now timestamptz) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    programme coalition.programme;
BEGIN
    -- The gate before the row, as in closing a day, so that the two can't wait for each other.
    IF (SELECT p.test_now IS NULL FROM coalition.programme p) THEN
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
    END IF;
    RETURN NULL;
END $$;
