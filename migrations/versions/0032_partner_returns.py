"""A partner's request posts a return through `partners.post_return`, which takes reversals of that partner's only."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        CREATE FUNCTION partners.post_return(r coalition.request, p_parts coalition.request[])
        RETURNS SETOF coalition.outcome LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            IF EXISTS (SELECT FROM unnest(array_prepend(r, p_parts)) u
                       WHERE u.kind IS DISTINCT FROM 'reversal' OR u.partner_id IS DISTINCT FROM r.partner_id) THEN
                RAISE insufficient_privilege USING MESSAGE = 'a return is made of the partner''s own reversals';
            END IF;
            RETURN QUERY SELECT * FROM coalition.ledger_return(r, p_parts);
        END $$;
        REVOKE EXECUTE ON FUNCTION partners.post_return FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION partners.post_return TO coalition_service, coalition_tenant;
        REVOKE EXECUTE ON FUNCTION coalition.ledger_return FROM coalition_tenant;
        -- All its names are qualified, and a path of its own makes the functions behind it plan anew.
        ALTER FUNCTION coalition.ledger_return RESET ALL;
    """)


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        DROP FUNCTION partners.post_return;
        GRANT EXECUTE ON FUNCTION coalition.ledger_return TO coalition_tenant;
        ALTER FUNCTION coalition.ledger_return SET search_path = pg_catalog, pg_temp;
    """)
