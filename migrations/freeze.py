"""`python -m migrations.freeze SLUG`: make a migration step of what differs between the sources and the last step.

It migrates an empty database, puts today's functions in, and writes the frozen copy, the way back, and the step.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import psycopg

from kit import embedded, schema
from kit.settings import Settings
from migrations import SQL, catalogue, sources
from migrations.catalogue import GRANTABLE, Function

_EVERYBODY = "PUBLIC, coalition_service, coalition_tenant, coalition_reports"
_STEP = '''"""{slug}."""

from migrations.steps import run_file

revision = "{revision}"
down_revision = "{before}"


def upgrade() -> None:
    run_file("{name}.sql")


def downgrade() -> None:
    run_file("{name}_down.sql")
'''


@dataclass(frozen=True)
class Difference:
    """The statements that bring the functions of the last step to today's, and those that bring them back."""

    up: str
    down: str


def difference(connection: psycopg.Connection[Any]) -> Difference | None:
    """What the sources change in a migrated database, which is left as it was; None: nothing."""
    with connection.transaction(force_rollback=True):
        before = catalogue.functions(connection)
        catalogue.forget_grants(connection, list(before.values()))
        bare = catalogue.functions(connection)
        connection.execute("SET LOCAL check_function_bodies = off")
        for source in sources.functions():
            connection.execute(source.definition.encode())
        gone = [each for each in catalogue.functions(connection).values() if _is_untouched(each, bare)]
        for each in gone:
            connection.execute(f"DROP FUNCTION {each.signature}")
        for source in sources.functions():
            connection.execute(source.grants.encode())
        after = catalogue.functions(connection)
    said = {signature: each.says for signature, each in before.items()}
    changed = [each for each in after.values() if each.says != said.get(each.signature)]
    if not changed and not gone:
        return None
    return Difference(up=_up(changed, gone, before), down=_down(changed, gone, before))


def _is_untouched(each: Function, bare: dict[str, Function]) -> bool:
    return each.signature in bare and bare[each.signature].version == each.version


def _up(changed: list[Function], gone: list[Function], before: dict[str, Function]) -> str:
    names = {each.name for each in changed}
    drops = [f"DROP FUNCTION {each.signature};" for each in gone]
    texts = [source.text for source in sources.functions() if source.name in names]
    revokes = [
        f"REVOKE EXECUTE ON FUNCTION {each.signature} FROM {', '.join(who.removesuffix(GRANTABLE) for who in lost)};"
        for each in changed
        if each.signature in before and (lost := sorted({*before[each.signature].callers} - {*each.callers}))
    ]
    return "\n\n".join(drops + revokes + texts) + "\n"


def _down(changed: list[Function], gone: list[Function], before: dict[str, Function]) -> str:
    new = [f"DROP FUNCTION {each.signature};" for each in changed if each.signature not in before]
    old = [before[each.signature] for each in (*changed, *gone) if each.signature in before]
    # In no order, so those in SQL may stand before what they call.
    return "\n\n".join(["SET LOCAL check_function_bodies = off;", *new, *map(_as_it_was, old)]) + "\n"


def _as_it_was(each: Function) -> str:
    callers = [f"GRANT EXECUTE ON FUNCTION {each.signature} TO {caller};" for caller in each.callers]
    return "\n".join(
        [f"{each.definition.rstrip()};", f"REVOKE EXECUTE ON FUNCTION {each.signature} FROM {_EVERYBODY};", *callers]
    )


@contextmanager
def _migrated() -> Iterator[psycopg.Connection[Any]]:
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        embedded.running(Settings(data_dir=Path(folder))) as engines,
    ):
        schema.migrate(str(engines.database_url))
        with psycopg.connect(str(engines.database_url)) as connection:
            yield connection


@click.command(help="Write the step NNNN_SLUG with what changed in the sources since the last step.")
@click.argument("slug")
def main(slug: str) -> None:
    if re.fullmatch(r"[a-z][a-z0-9_]{2,40}", slug) is None:
        raise click.BadParameter("a slug has 3 to 41 lower-case letters, digits and _")
    with _migrated() as connection:
        found = difference(connection)
    if found is None:
        raise click.ClickException("the sources say what the last step says")
    before = schema.head()
    revision = f"{int(before) + 1:04}"
    name = f"{revision}_{slug}"
    (SQL / f"{name}.sql").write_text(found.up, "utf-8")
    (SQL / f"{name}_down.sql").write_text(found.down, "utf-8")
    step = SQL.parent / "versions" / f"{name}.py"
    step.write_text(_STEP.format(slug=slug, revision=revision, before=before, name=name), "utf-8")
    click.echo(f"{step.name}: say in its first line what it changes, and why it is safe while the version before runs")


if __name__ == "__main__":
    main()
