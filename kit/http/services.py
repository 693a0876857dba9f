"""What a request may use: the database, the keys, the wakeups, the settings; made once by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import cast

from flask import Flask, current_app

from kit.db import Database, Session, Tenant
from kit.http import context
from kit.http.requests import is_dry_run
from kit.metrics import Meter
from kit.secrets import Keyring
from kit.settings import Settings
from kit.wakeup import Wakeup

_NAME = "coalition"


@dataclass(frozen=True)
class Services:
    """The parts every edge of the HTTP service shares.

    `database` is the service's own and sees everything; `tenants` is that of partners' requests, whose login can't
    become the service, and `questions` the same for what only reads. What a request asks for goes through `view`.
    `before_writing` is called before whatever may write: the coalition closes a business day there that is over.
    `closing` ends, last come first, what rooms keep open for as long as the service runs.
    """

    settings: Settings
    database: Database
    tenants: Database
    questions: Database
    keyring: Keyring
    wakeup: Wakeup
    meter: Meter
    before_writing: Callable[[], None] = lambda: None
    closing: ExitStack = field(default_factory=ExitStack)

    @property
    def view(self) -> Database:
        """The database as whoever makes this request may see it: with a partner's token, that partner's rows only."""
        tenant = context.current().tenant
        return self.tenants.of(tenant) if tenant else self.database

    def writing(self) -> AbstractContextManager[Session]:
        """One transaction, and after its commit a wakeup for the events in it; a dry run is rolled back instead."""
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
        self.wakeup.notify()

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
        self.wakeup.notify()

    @contextmanager
    def asking(self) -> Iterator[Session]:
        """For a question that is one statement: no transaction around it, one round trip instead of three.

        Sees as little as `posting`, and can't write.
        """
        with self.questions.statements() as session:
            yield session

    def close(self) -> None:
        """End what rooms keep open, and give all connections back."""
        self.closing.close()
        self.wakeup.close()
        self.meter.close()
        self.database.close()
        self.tenants.close()
        self.questions.close()

    def _is_dry_run(self) -> bool:
        context.change(is_dry_run=is_dry_run())
        return context.current().is_dry_run

    def reading(self) -> AbstractContextManager[Session]:
        """One transaction that can only read."""
        return self.view.reading()

    def reading_public(self) -> AbstractContextManager[Session]:
        """The same as the service itself: for what everybody may know, such as brands."""
        return self.database.reading()

    def recording(self) -> AbstractContextManager[Session]:
        """One transaction that writes no event and no posting: sessions, codes, tokens, what was seen of a client."""
        return self.view.transaction()


def serve(tenant: Tenant) -> None:
    """Let the rest of this request see what `tenant` may see, and no more."""
    context.change(tenant=tenant)


def install(app: Flask, svc: Services) -> None:
    """Make `parts` the services of `app`."""
    app.extensions[_NAME] = svc


def services() -> Services:
    """The services of the current app."""
    return cast(Services, current_app.extensions[_NAME])
