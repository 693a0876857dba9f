"""What a request may use: the database, the keys, the doorbell, the settings; made once by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app, g
from sqlalchemy import text

from kit.db import Database, Session, Tenant
from kit.http.requests import is_dry_run
from kit.metrics import Meter
from kit.nudge import Nudge
from kit.secrets import Keyring
from kit.settings import Settings

_NAME = "coalition"


@dataclass(frozen=True)
class Services:
    """The parts every edge of the HTTP service shares.

    `database` is the service's own and sees everything; `tenants` is that of partners' requests, whose login can't
    become the service. What a request asks for goes through `view`. `before_writing` is called
    before whatever may write: the coalition closes a business day there that is over.
    """

    settings: Settings
    database: Database
    tenants: Database
    keyring: Keyring
    nudge: Nudge
    meter: Meter
    before_writing: Callable[[], None] = lambda: None

    @property
    def view(self) -> Database:
        """The database as whoever makes this request may see it: with a partner's token, that partner's rows only."""
        tenant: Tenant | None = g.get("tenant")
        return self.tenants.of(tenant) if tenant else self.database

    def writing(self) -> AbstractContextManager[Session]:
        """One transaction, and after its commit a nudge for the events in it; a dry run is rolled back instead."""
        return self._writing(self.view)

    def operating(self) -> AbstractContextManager[Session]:
        """Like `writing`, as the service itself: for what is not the asking partner's alone."""
        return self._writing(self.database)

    @contextmanager
    def _writing(self, database: Database) -> Iterator[Session]:
        self.before_writing()
        if self._is_dry_run():
            with database.trial() as session:
                yield session
            return
        with database.transaction() as session:
            yield session
        self.nudge.ring()

    @contextmanager
    def posting(self) -> Iterator[Session]:
        """Like `writing`, for a verb that is one statement: a function of the ledger is atomic by itself.

        Rows that belong to a partner aren't there, not even the asking partner's own.
        """
        self.before_writing()
        if self._is_dry_run():
            with self.view.trial() as session:
                yield session
            return
        with self.tenants.statements() as session:
            yield session
        self.nudge.ring()

    @contextmanager
    def asking(self) -> Iterator[Session]:
        """For a question that is one statement: no transaction around it, one round trip instead of three.

        Sees as little as `posting`.
        """
        with self.tenants.statements() as session:
            yield session

    def close(self) -> None:
        """Give all connections back."""
        self.database.close()
        self.tenants.close()

    def _is_dry_run(self) -> bool:
        g.dry_run = is_dry_run()
        return bool(g.dry_run)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One transaction that writes no event."""
        with self.view.transaction() as session:
            yield session

    @contextmanager
    def reading_public(self) -> Iterator[Session]:
        """One transaction that can only read, as the service itself: for what everybody may know, such as brands."""
        with self.database.transaction() as session:
            session.execute(text("SET TRANSACTION READ ONLY"))
            yield session


def serve(tenant: Tenant) -> None:
    """Let the rest of this request see what `tenant` may see, and no more."""
    g.tenant = tenant


def install(app: Flask, parts: Services) -> None:
    """Make `parts` the services of `app`."""
    app.extensions[_NAME] = parts


def services() -> Services:
    """The services of the current app."""
    return cast(Services, current_app.extensions[_NAME])
