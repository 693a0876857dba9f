-- The version before would take days that this one sealed for changed.
DO $$ DECLARE
    sealed date := (SELECT min(s.day) FROM coalition.sealed_day s WHERE s.sealed_at IS NOT NULL AND s.version > 3);
BEGIN
    IF sealed IS NOT NULL THEN
        RAISE EXCEPTION 'days from % on have seals of version 4, which the version before cannot verify', sealed;
    END IF;
END $$;
