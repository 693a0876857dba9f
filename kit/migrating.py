"""The steps of the migrations, taken by Alembic.

Apart from kit.schema, which every process imports: loading Alembic takes a tenth of a process's start, and hardly any
takes a step.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

import migrations


def upgrade(connection: Connection) -> None:
    """Take all steps to the head; raises what the database refuses."""
    command.upgrade(_config(connection), "head")


def downgrade(connection: Connection, *, to: str) -> None:
    """Take the steps back to the revision `to`, or `base`."""
    command.downgrade(_config(connection), to)


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
