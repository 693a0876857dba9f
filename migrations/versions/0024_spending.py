"""What may be spent without a proof, by purchase and by day, asked in the transaction that spends."""

from migrations.steps import LOCK_TIMEOUT, run, run_file

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run_file("0024_spending.sql")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("""
        DROP FUNCTION partners.post_proved, partners.post, partners.consent_covers, coalition.points_spent;
        ALTER TABLE coalition.programme DROP pin_free_points_per_day;
    """)
