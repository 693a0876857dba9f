"""A Citus cluster for tests, a coordinator and two workers: CITUS_URL names the coordinator.

Every test that asks for a coalition then runs on a distributed database. A database there is one on each node, so a
test's is a copy of a distributed one on all of them. The workers listen on the two ports after the coordinator's.
"""

from __future__ import annotations

import os
import secrets

import psycopg
from sqlalchemy import make_url

from kit import schema
from kit.db import shown
from migrations import distribution

COORDINATOR = os.environ.get("CITUS_URL")
SHARDS = 4  # two for each worker: a copy is quick, and what goes to any shard goes to these


class Cluster:
    """What makes, copies and drops a database does it on all nodes."""

    def __init__(self, coordinator: str) -> None:
        self._url = make_url(coordinator)
        self._prefix = f"coalition_test_{secrets.token_hex(6)}"
        self._made: list[str] = []
        first = int(self._url.port or 5432)
        self.places = [(str(self._url.host), port) for port in range(first, first + 3)]
        self._template: str | None = None

    def empty(self) -> str:
        """The address of a database whose nodes know each other, with nothing in it."""
        name = self._new("CREATE DATABASE {}")
        for place in self.places:
            self.on(place, "CREATE EXTENSION citus", database=name)
        coordinator, *workers = self.places
        self.on(coordinator, "SELECT citus_set_coordinator_host('{}', {})".format(*coordinator), database=name)
        for worker in workers:
            self.on(coordinator, "SELECT citus_add_node('{}', {})".format(*worker), database=name)
        self.on(coordinator, f"ALTER DATABASE {name} SET citus.shard_count = {SHARDS}")
        return self._address(name)

    def distributed(self) -> str:
        """The address of a migrated and distributed database: a copy of one that was made once for the run."""
        if self._template is None:
            made = self.empty()
            schema.migrate(made)
            schema.distribute(made, report=lambda _: None)
            self._template = str(make_url(made).database)
        for place in self.places:  # Citus' own process sits in it
            self.on(
                place, "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", self._template
            )
        name = self._new(f"CREATE DATABASE {{}} TEMPLATE {self._template}")
        for setting, value in distribution.SETTINGS.items():
            self.on(self.places[0], f"ALTER DATABASE {name} SET {setting} = '{value}'")
        return self._address(name)

    def drop(self, url: str) -> None:
        """Drop the database, and with it Citus' own process there, of which a node has only so many."""
        name = str(make_url(url).database)
        for place in self.places:
            self.on(place, f"DROP DATABASE {name} WITH (FORCE)")
        self._made.remove(name)

    def drop_all(self) -> None:
        """Drop whatever is left."""
        for name in self._made.copy():
            self.drop(self._address(name))

    def on(self, place: tuple[str, int], statement: str, *values: str, database: str = "postgres") -> None:
        """Run a statement on one node."""
        host, port = place
        with psycopg.connect(shown(self._url.set(host=host, port=port, database=database)), autocommit=True) as node:
            node.execute(statement.encode(), values or None)

    def _address(self, name: str) -> str:
        return shown(self._url.set(database=name))

    def _new(self, statement: str) -> str:
        name = f"{self._prefix}_{secrets.token_hex(4)}"
        self._made.append(name)
        for place in self.places:
            self.on(place, statement.format(name))
        return name
