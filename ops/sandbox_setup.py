"""The sandbox beside live, made ready: its database, its schema, its books."""

from __future__ import annotations

from coalition import programme
from coalition.programme import Programme
from kit import clock, logins, sandbox, schema, secret_key
from kit.settings import Settings
from kit.terminal import Desk, open_database


def prepare(live: Settings) -> Settings:
    """The settings of the sandbox beside `live`, its database made, where we choose its place, and migrated.

    Raises NoSandbox, DatabaseRefused, DatabaseUnavailable, PostgresqlTooOld.
    """
    chosen = sandbox.settings_of(live)
    owner = logins.resolve(live).database_owner_url
    if live.sandbox_database_url is None and owner is not None:
        schema.create_database(str(chosen.database_owner_url), server=owner)
    logins.prepare(chosen, migrate=True)
    return chosen


def open_books(chosen: Settings, *, like: Programme | None = None) -> Programme:
    """The programme of the coalition of `chosen`, founded if there is none; raises like `found`."""
    with open_database(chosen, migrate=False) as desk:
        return found(desk, like=like)


def found(desk: Desk, *, like: Programme | None = None) -> Programme:
    """The programme of an open database, founded if there is none: by its settings, or else as in `like`.

    Raises ProgrammeMismatch, UnknownCurrency, WrongSecretKey.
    """
    with desk.database.transaction() as session:
        return programme.ensure(
            session,
            now=clock.now(),
            currency=desk.settings.currency,
            time_zone=desk.settings.time_zone,
            key=secret_key.of(desk.settings),
            like=like,
        )
