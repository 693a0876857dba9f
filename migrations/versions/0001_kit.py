"""The service's role and the outbox."""

from migrations.steps import drop_schema, run, run_file

revision = "0001"
down_revision = None

# The role is the cluster's, not the database's: another coalition on this server may have made it, even just now.
SERVICE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'coalition_service') THEN
        CREATE ROLE coalition_service NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$ BEGIN
    IF NOT pg_has_role(current_user, 'coalition_service', 'MEMBER') THEN
        EXECUTE format('GRANT coalition_service TO %I', current_user);
    END IF;
    -- Temporary objects would be found before the ledger's own by its functions.
    GRANT SELECT ON public.alembic_version TO coalition_service;
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END $$;
"""


def upgrade() -> None:
    run(SERVICE_ROLE)
    run_file("0001_kit.sql")


def downgrade() -> None:
    drop_schema("kit")
