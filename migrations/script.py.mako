"""${message}"""

from migrations.steps import drop_schema, run_file

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "run_file('….sql')"}


def downgrade() -> None:
    ${downgrades if downgrades else "raise NotImplementedError"}
