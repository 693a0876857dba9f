"""Versions of what admins change, raised by every change: what ETags are made of."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0018"
down_revision = "0017"

VERSIONED = ("partner", "brand", "contact", "category", "presence", "location", "till", "staff", "oauth_client")
# Of a client only what its owner decided: what it remembers by itself is no change.
_OF_CLIENT = "UPDATE OF name, redirect_uris, jwks, scopes, revoked_at"


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        CREATE FUNCTION kit.raise_version() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.version := OLD.version + 1;
            RETURN NEW;
        END $$;
    """)
    for table in VERSIONED:
        run(f"ALTER TABLE partners.{table} ADD version int NOT NULL DEFAULT 1")
        _count(f"partners.{table}", _OF_CLIENT if table == "oauth_client" else "UPDATE")
    _count("webhooks.endpoint", "UPDATE")


def _count(table: str, change: str) -> None:
    run(f"""
        CREATE TRIGGER version BEFORE {change} ON {table}
        FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION kit.raise_version()
    """)


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("DROP TRIGGER version ON webhooks.endpoint")
    for table in VERSIONED:
        run(f"DROP TRIGGER version ON partners.{table}; ALTER TABLE partners.{table} DROP version")
    run("DROP FUNCTION kit.raise_version")
