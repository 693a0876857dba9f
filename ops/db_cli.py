"""`coalition db …`: the schema, for whoever owns the database."""

from __future__ import annotations

import click

from kit import logins, schema
from kit.errors import CoalitionError
from kit.terminal import engines, fail, one_line_errors, say
from ops import sandbox_setup


@click.group(help="The database.")
def db() -> None:
    pass


@db.command(help="Migrate the database to the schema of this version.")
@one_line_errors
def migrate() -> None:
    with engines() as chosen:
        if chosen.database_owner_url is None:
            fail("a migration needs the owner of the tables; set COALITION_DATABASE_OWNER_URL")
        logins.prepare(chosen, migrate=True)
        say(f"the database is at revision {schema.revision_of(chosen.database_owner_url)}")
        if chosen.sandbox != "beside":
            return
        try:
            test = sandbox_setup.prepare(chosen)
            say(f"that of the sandbox is at revision {schema.revision_of(str(test.database_owner_url))}")
        except CoalitionError as error:
            say(f"no sandbox: {error.detail}")


@db.command(help="Distribute members and their data over the nodes of a Citus cluster. This needs the Citus extension.")
@one_line_errors
def distribute() -> None:
    with engines() as chosen:
        done = schema.distribute(str(chosen.database_owner_url), report=say)
    say("the database is now distributed by member" if done else "the database was already distributed")
