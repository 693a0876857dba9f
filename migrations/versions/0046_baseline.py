"""Everything up to here in one step: docs/decisions/0027 says why."""

from migrations.sources import ROOMS
from migrations.steps import drop_schema, run_file

revision = "0046"
down_revision = None

# In the order in which they need each other: roles before what they are granted, tables before functions of their rows.
FILES = (
    "roles",
    "kit",
    "coalition",
    "ledger",
    "partners",
    "authorization",
    "sign_in",
    "api",
    "webhooks",
    "settlement",
    "functions",
)


def upgrade() -> None:
    for name in FILES:
        run_file(f"0046_{name}.sql")


def downgrade() -> None:
    # The roles stay: they are the cluster's, and another coalition on this server may run as them.
    for room in reversed(ROOMS):
        drop_schema(room)
