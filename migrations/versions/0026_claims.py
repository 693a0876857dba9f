"""A partner's word for a member it enrolled is good for its own points, and until others post for the member."""

from migrations.steps import LOCK_TIMEOUT, SQL, run, run_file

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run_file("0026_claims.sql")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    before = (SQL / "0024_spending.sql").read_text("utf-8")
    door = before[before.index("CREATE FUNCTION partners.post(") : before.index("-- Post what a partner asks for with")]
    run(door.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    run("""
        DROP FUNCTION coalition.used_by_others, coalition.claim_member, coalition.only_vouched_for;
        ALTER TABLE coalition.member DROP is_claimed;
    """)
