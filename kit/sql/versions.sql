-- Every change of a row makes it another version of itself: what an ETag says.
CREATE OR REPLACE FUNCTION kit.raise_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION kit.raise_version FROM PUBLIC;
