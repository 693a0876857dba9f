-- The roles that the service, the requests of partners, and reports run as; what each may do stands beside the tables.
--
-- coalition_tenant is for what a partner's request may touch at all; policies say which rows of it
-- (docs/decisions/0016). coalition_reports is for what was posted, owed and paid, and by whom: no secret, no
-- identifier, no name or address of a person.
--
-- Roles are the cluster's, not the database's: another coalition on this server may have made them, even just now.
-- Since PostgreSQL 16 who makes a role without being superuser may grant it, to itself too, but can't yet become it.
DO $$ DECLARE name text; BEGIN
    FOREACH name IN ARRAY ARRAY['coalition_service', 'coalition_tenant', 'coalition_reports'] LOOP
        BEGIN
            -- Asked first, for who may create no role may still find them here.
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            END IF;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
    FOREACH name IN ARRAY ARRAY['coalition_service', 'coalition_tenant'] LOOP
        IF current_setting('server_version_num')::int < 160000 THEN
            IF NOT pg_has_role(current_user, name, 'MEMBER') THEN
                EXECUTE format('GRANT %I TO %I', name, current_user);
            END IF;
        ELSIF NOT pg_has_role(current_user, name, 'SET') THEN
            EXECUTE format('GRANT %I TO %I WITH SET TRUE', name, current_user);
        END IF;
    END LOOP;
    -- Temporary objects would be found before the ledger's own by its functions.
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;

GRANT SELECT ON public.alembic_version TO coalition_service;
