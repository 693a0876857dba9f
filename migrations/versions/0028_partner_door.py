"""A partner's request posts through `partners.post`, which knows the kinds a partner may post, and no way past it."""

from migrations.steps import LOCK_TIMEOUT, run

revision = "0028"
down_revision = "0027"

# They take any request as it stands, also of kinds that are the coalition's alone.
PAST_IT = """coalition.ledger_post, coalition.ledger_earn, coalition.ledger_burn, coalition.ledger_end_hold,
    coalition.ledger_reverse, coalition.ledger_claw_back"""


def upgrade() -> None:
    run(LOCK_TIMEOUT)
    run(f"REVOKE EXECUTE ON FUNCTION {PAST_IT} FROM coalition_tenant")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run(f"GRANT EXECUTE ON FUNCTION {PAST_IT} TO coalition_tenant")
