"""A step of a migration commits in the middle of a request: begun in the old schema, it goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from flask import Flask

from kit.settings import Settings
from tests.conftest import CARD, World, found, until_somebody_waits
from tests.service import Caller, shut
from wsgi import create_app

CALLERS = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE prosrc LIKE '%coalition.ledger_finish(%'"
EARN = {"points": 10, "reference": "E-2"}


@pytest.fixture
def world(engines: Settings, fresh_database: Callable[[], str], tmp_path: Path) -> Iterator[World]:
    """A coalition whose functions may change."""
    made = found(engines, fresh_database(), tmp_path)
    yield made
    made.database.close()


@pytest.fixture
def app(world: World) -> Iterator[Flask]:
    made = create_app(world.settings)
    yield made
    shut(made)


@pytest.fixture
def grocer(caller) -> Caller:
    """A partner whose member has a hundred points."""
    made: Caller = caller()
    assert made.post("/v1/members", {"card": CARD, "external_id": "ours-1"}).status_code == 201
    assert made.post("/v1/earns", {"card": CARD, "points": 100, "reference": "E-1"}).status_code == 201
    return made


def take_step(world: World, *, whole: bool = True) -> None:
    """A function is called something else; unless the step is `whole`, whoever calls it doesn't know."""
    with psycopg.connect(str(world.settings.database_url)) as owner:
        definitions = owner.execute(CALLERS).fetchall()
        owner.execute("ALTER FUNCTION coalition.ledger_finish RENAME TO ledger_end")
        for (definition,) in definitions if whole else ():
            owner.execute(definition.replace("coalition.ledger_finish(", "coalition.ledger_end(").encode())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/earns", {"card": CARD, **EARN}),
        ("/v1/earns", {"external_id": "ours-1", **EARN}),  # in a transaction of several statements
        ("/v1/batches", {"items": [{"kind": "earn", "card": CARD, **EARN}]}),
    ],
)
def test_what_waits_while_a_step_commits_is_posted_once(world: World, grocer: Caller, path: str, body) -> None:
    with ThreadPoolExecutor(1) as pool, psycopg.connect(str(world.settings.database_url)) as other:
        other.execute("SELECT FROM coalition.wallet FOR UPDATE")
        asked = pool.submit(grocer.post, path, body)
        until_somebody_waits(world)
        take_step(world)
        other.rollback()
        answer = asked.result(30)
    assert (answer.json["data"][0]["status"] if path == "/v1/batches" else answer.status_code) == 201, answer.text
    assert world.count("coalition.txn") == 2


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "/v1/members/lookup", {"card": CARD}),
        ("get", "/v1/members/{member_id}", None),
        ("get", "/v1/members/{member_id}/balance", None),
        ("post", "/v1/burns", {"card": CARD, "points": 10, "reference": "B-1"}),
    ],
)
def test_what_reads_while_a_table_gets_a_column_goes_through(world: World, grocer: Caller, method, path, body) -> None:
    member_id = grocer.post("/v1/members/lookup", {"card": CARD}).json["member_id"]
    with ThreadPoolExecutor(1) as pool, psycopg.connect(str(world.settings.database_url)) as other:
        other.execute("ALTER TABLE coalition.wallet ADD COLUMN tomorrow text")
        ask = getattr(grocer, method)
        asked = pool.submit(ask, path.format(member_id=member_id), *([body] if body else []))
        until_somebody_waits(world)
        other.commit()
        answer = asked.result(30)
    assert answer.status_code in (200, 201), answer.text


def test_a_fault_that_only_looks_like_it_is_an_internal_error(world: World, grocer: Caller) -> None:
    take_step(world, whole=False)
    answer = grocer.post("/v1/earns", {"card": CARD, **EARN})
    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")
    assert world.count("coalition.txn") == 1
