"""How people sign in to our pages: sessions, codes by mail, passkeys."""

from migrations.steps import LOCK_TIMEOUT, run, run_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_file("0011_sign_in.sql")


def downgrade() -> None:
    run(LOCK_TIMEOUT)
    run("DROP TABLE partners.passkey_challenge, partners.passkey, partners.sign_in_code, partners.session")
