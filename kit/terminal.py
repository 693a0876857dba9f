"""What the commands share: settings, engines, a database that is ready, and how they speak and fail."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Any, NoReturn, ParamSpec, TypeVar

import click
from sqlalchemy.exc import DataError, IntegrityError

from kit import embedded, ids, logins, logs, root_key, sandbox, schema, secret_key, settings
from kit.db import Database
from kit.errors import CoalitionError
from kit.secrets import Keyring
from kit.settings import Settings, SettingsError

P = ParamSpec("P")
R = TypeVar("R")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


@dataclass(frozen=True)
class Desk:
    """What a command works with."""

    settings: Settings
    database: Database

    @cached_property
    def keyring(self) -> Keyring:
        """The keys of its books, read once; raises BooksNotOpen, WrongSecretKey."""
        return root_key.keyring(self.database, self.settings)


def wants_sandbox() -> bool:
    """Whether this is `coalition --sandbox …`: a command about the sandbox instead of live."""
    context = click.get_current_context(silent=True)
    return bool(context and context.find_root().params.get("sandbox"))


@contextmanager
def engines(*, of_sandbox: bool = False) -> Iterator[Settings]:
    """The settings of the coalition a command is about, live or its sandbox, with the engines running.

    Raises SettingsError, EnginesUnavailable, NoSandbox, and for a sandbox what `logins.prepare` raises.
    """
    wanted = settings.from_environment(os.environ)
    with embedded.running(wanted) as running:
        live = logins.resolve(running)
        if wanted.is_sandbox or not (of_sandbox or wants_sandbox()):
            yield live
            return
        # Its logins are live's: they are made, or refused, there.
        logins.prepare(live, migrate=wanted.embedded_database)
        chosen = sandbox.settings_of(live)
        if wanted.embedded_database and wanted.sandbox_database_url is None:
            schema.create_database(str(chosen.database_owner_url), server=str(live.database_owner_url))
        yield chosen


@contextmanager
def desk(*, of_sandbox: bool = False) -> Iterator[Desk]:
    """A ready database: the embedded one, started and migrated if need be, or the real one if it is at the head.

    Whoever sits here is the coalition's: members' ids are our own until it is left.

    Raises SettingsError, EnginesUnavailable, NoSandbox, DatabaseUnavailable, SchemaNotReady.
    """
    is_embedded = settings.from_environment(os.environ).embedded_database
    with (
        engines(of_sandbox=of_sandbox) as chosen,
        open_database(chosen, migrate=is_embedded) as opened,
        ids.seen_by(ids.OUR_OWN),
    ):
        yield opened


@contextmanager
def open_database(chosen: Settings, *, migrate: bool) -> Iterator[Desk]:
    """The desk on engines that run already; with `migrate` the database is brought to the head first.

    It keeps the secret key it began with, and so does whatever is started with its settings.
    """
    chosen = logins.resolve(secret_key.pinned(chosen))
    logins.prepare(chosen, migrate=migrate)
    database = logins.service_database(chosen)
    try:
        yield Desk(chosen, database)
    finally:
        database.close()


def say(text: str) -> None:
    """Print for the person (or program) at the terminal."""
    click.echo(text)


def answer(data: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print `data` as JSON or `text` for people."""
    say(json.dumps(data, default=str, ensure_ascii=False) if as_json else text)


def one_line_errors(command: Callable[P, R]) -> Callable[P, R]:
    """End a command that fails with one clear line and exit code 1, without a traceback."""

    @wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except SettingsError as error:
            fail(str(error))
        except CoalitionError as error:
            fail(f"{error.detail} ({error.code})")
        except (IntegrityError, DataError) as error:
            # Two commands at once, or a value that no check of ours knew: named by the rule it breaks, never by values.
            state = getattr(error.orig, "sqlstate", None)
            rule = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
            fail(f"the database refuses it: {f'it breaks {rule}' if rule else f'SQLSTATE {state}'} (database_refused)")
        except OSError as error:
            # A folder that can't be written, a disk that is full: nothing a traceback would explain.
            where = f": {error.filename}" if error.filename else ""
            fail(f"{error.strerror or error}{where}")

    return guarded


def fail(line: str) -> NoReturn:
    """Print `line` as the error it is, the way logs are written, and exit with 1."""
    text = f"coalition: {line}"
    as_json = os.environ.get(f"{settings.PREFIX}LOG_FORMAT") == "json"
    click.echo(logs.relayed("coalition", text) if as_json else text, err=True)
    sys.exit(1)
