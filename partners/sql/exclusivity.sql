-- Keep what the exclusion constraint compares as the placement says.
CREATE OR REPLACE FUNCTION partners.write_exclusivity() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM partners.exclusivity WHERE placement_id = NEW.placement_id;
    IF NEW.withdrawn_at IS NULL THEN
        INSERT INTO partners.exclusivity
            (placement_id, is_exclusive, partner_id, category_path, territory, valid)
        SELECT NEW.placement_id, is_exclusive, NEW.partner_id, NEW.category_path, NEW.territory, NEW.valid
        FROM unnest(ARRAY[false, true]) AS is_exclusive WHERE NOT is_exclusive OR NEW.clause IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION partners.write_exclusivity FROM PUBLIC;
