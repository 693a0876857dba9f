"""Two versions on one database: while the later one migrates it, and beside each other afterwards, nothing fails."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

import migrations
from api.commands import OPERATIONS
from benchmarks.harness import free_port
from coalition.ledger import posting
from kit import embedded, schema, secret_key
from kit.settings import Settings
from ops.run import is_ready
from tests.conftest import CARD
from tests.e2e.conftest import ROOT, RUN_S, Host, Place, books, wait_for
from tests.e2e.front import in_front_of

# Where the Python is that a process works with, and the last step it knows.
WHO = """
import cli, kit.schema, wsgi
print(cli.__file__, wsgi.__file__, kit.schema.__file__, kit.schema.head(), sep="|")
"""
EACH = 40  # requests before the next thing happens: while it migrates, and of each host beside the other
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
Post = Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]

TABLES = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname IN ('kit', 'coalition', 'partners', 'settlement', 'webhooks') ORDER BY 1, 2
"""
# Every later step that gives the ledger one more thing to say is made like this.
_PARAMETERS = ", ".join(f"{name} {kind} DEFAULT NULL" for name, kind in posting.FIELDS.items())
ONE_MORE_FIELD = f"""
    ALTER TYPE coalition.request ADD ATTRIBUTE tomorrow text;
    DROP FUNCTION coalition.request;
    CREATE FUNCTION coalition.request({_PARAMETERS}, tomorrow text DEFAULT 'unsaid')
    RETURNS coalition.request LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT ROW({", ".join(f"request.{name}" for name in posting.FIELDS)}, request.tomorrow)::coalition.request
    $$;
    GRANT EXECUTE ON FUNCTION coalition.request TO coalition_service, coalition_tenant;
"""


@pytest.fixture(scope="module")
def version_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the version before, whose commit `version_before` names."""
    commit = (Path(__file__).parent / "version_before").read_text("ascii").strip()
    if shutil.which("git") is None:
        pytest.skip("the version before is in the history, and there is no git here to ask for it")
    packed = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=False)
    if packed.returncode != 0:
        said = packed.stderr.decode(errors="replace").strip()
        pytest.skip(f"the version before, {commit}, is not at hand here, as in a shallow clone: {said}")
    tree = tmp_path_factory.mktemp("version-before")
    subprocess.run(["tar", "x", "-C", str(tree)], input=packed.stdout, check=True)
    return tree


@contextmanager
def as_owner(here: Place) -> Iterator[Settings]:
    """The addresses of the engines of a coalition that is up, the database's for its owner."""
    settings = Settings(
        data_dir=here.folder,
        database_url=here.variables.get("COALITION_DATABASE_URL"),
        redis_url=here.variables.get("COALITION_REDIS_URL"),
        secret_key=here.variables.get("COALITION_SECRET_KEY"),
    )
    with embedded.running(settings) as engines:
        yield engines


@contextmanager
def owner_of(here: Place) -> Iterator[psycopg.Connection[Any]]:
    """The owner of the database of a coalition that is up."""
    with as_owner(here) as engines, psycopg.connect(str(engines.database_url), autocommit=True) as connection:
        connection.execute("SET lock_timeout = '3s'")
        yield connection


def another_host(here: Place, folder: Path) -> Place:
    """A host of this version beside a coalition that is up: on its engines, with its key, and a folder of its own."""
    with as_owner(here) as engines:
        own = {
            "COALITION_DATABASE_URL": str(engines.database_url),
            "COALITION_REDIS_URL": str(engines.redis_url),
            "COALITION_SECRET_KEY": secret_key.of(engines).hex,
            "COALITION_HTTP_PORT": str(free_port()),
        }
    return Place(folder, here.variables | own)


def port_of(here: Place) -> int:
    return int(here.variables["COALITION_HTTP_PORT"])


def failures(here: Place) -> list[Any]:
    with owner_of(here) as owner:
        return owner.execute("SELECT path, status, code FROM partners.request WHERE status >= 500").fetchall()


def test_the_version_before_works_while_this_one_migrates_and_beside_it_afterwards(
    place, receipts, expected, version_before, tmp_path
) -> None:
    old = place("two-versions", tree=version_before)
    out, _ = old.python("-c", WHO).communicate()
    *files, old_head = out.strip().split("|")
    assert all(Path(file).is_relative_to(version_before) for file in files), "it is the tree of the version before"
    assert old_head == migrations.SERVES_FROM, "what a database promises is what is tried here"
    with old.up(), in_front_of(port_of(old)) as front:
        with owner_of(old) as owner:
            assert owner.execute("SELECT version_num FROM alembic_version").fetchall() == [(old_head,)]
        new = another_host(old, tmp_path)
        through = replace(old, variables=old.variables | {"COALITION_HTTP_PORT": str(front.server_port)})
        with through.running("replay", str(receipts), "--json", "--concurrency", "4") as replay:
            wait_for(lambda: len(front.answers) > EACH)
            front.pause_s = 0.05  # or the replay is over before all that follows, on a busy machine
            code, out = new.run("db", "migrate")
            assert (code, schema.head() in out) == (0, True), out + new.stderr
            assert is_ready(Settings(http_port=port_of(old)))
            asked = len(front.answers)
            wait_for(lambda: len(front.answers) > asked + EACH)
            front.pause_s = 0.1
            with new.up():
                front.ports.append(port_of(new))
                front.pause_s = 0.0
                wait_for(lambda: len(front.of(port_of(new))) > EACH)
                assert replay.poll() is None, "both have to serve under the replay, not after it"
                out, _ = replay.communicate(timeout=RUN_S)
        assert replay.returncode == 0, out[-2000:] + old.stderr[-2000:]
        assert books(out) == expected
        assert [answer for answer in front.answers if not 200 <= answer.status < 500] == []
        assert failures(old) == [], old.stderr[-3000:]
        assert old.run("ledger", "verify")[0] == 0
    now = replace(old, tree=ROOT)
    with now.up():
        code, out = now.run("replay", str(receipts), "--json")
        assert code == 0, out[-2000:] + now.stderr[-2000:]
        assert books(out) == expected, "run again by this version it changes nothing"
        code, out = now.run("ledger", "verify")
        assert code == 0, out
    for stderr in (old.stderr, new.stderr):
        assert "Traceback" not in stderr, stderr[-3000:]


def test_what_waits_for_its_wallet_while_this_version_migrates_goes_through(place, version_before) -> None:
    old = place("in-the-middle", tree=version_before)
    with old.up(), as_owner(old) as engines, ThreadPoolExecutor(9) as threads:
        post = till(old)
        at_once = every_kind(post)
        url = str(engines.database_url)
        with psycopg.connect(url) as other, psycopg.connect(url, autocommit=True) as watch:
            other.execute("SELECT FROM coalition.wallet FOR UPDATE")
            asked = {kind: threads.submit(post, path, body) for kind, (path, body) in at_once.items()}
            wait_for(lambda: watch.execute(WAITING).fetchone() == (len(asked),))
            migration = threads.submit(schema.migrate, url)
            # All of it is done, but for an index that is built beside them and waits for them to end.
            wait_for(lambda: migration.done() or watch.execute(WAITING).fetchone() == (len(asked) + 1,))
            other.rollback()
            migration.result(timeout=RUN_S)
            answers = {kind: future.result() for kind, future in asked.items()}
        assert {kind: status for kind, (status, _) in answers.items()} == dict.fromkeys(asked, 201), answers
    code, out = replace(old, tree=ROOT).run("ledger", "verify")
    assert code == 0, out


def till(here: Place) -> Post:
    """Post as a partner of the coalition at `here`: takes path and body, gives status and answer."""
    assert here.run("partner", "create", "greengrocer", "--rate", "1", "--price", "1")[0] == 0
    made = json.loads(here.run("client", "create", "greengrocer", "--json")[1])
    host = Host(here)
    token = host.sign_in(made["client_id"], made["client_secret"])[1]["access_token"]
    return lambda path, body: host.post(token, path, body, secrets.token_hex(8))[:2]


def every_kind(post: Post) -> dict[str, tuple[str, dict[str, Any]]]:
    """A posting of each kind there is, ready to be posted: they move the points of one member."""
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    whose: dict[str, Any] = {"card": CARD}
    assert post("members", whose)[0] == 201
    bought = {**whose, "amount": {"minor": 10_000, "currency": "GBP"}}
    # Points enough for all of them in whatever order they come.
    first, second, _ = (post("earns", {**bought, "reference": f"E-{n}"})[1]["transaction_id"] for n in range(3))
    held, freed = (
        post("holds", {**whose, "points": 5, "expires_at": soon, "reference": f"H-{n}"})[1]["hold_id"] for n in range(2)
    )
    said = {
        "earn": ("earns", {**whose, "points": 10}),
        "burn": ("burns", {**whose, "points": 10}),
        "hold": ("holds", {**whose, "points": 10, "expires_at": soon}),
        "capture": (f"holds/{held}/capture", {}),
        "void": (f"holds/{freed}/void", {}),
        "reversal": (f"transactions/{first}/reversals", {}),
        "return": ("returns", {"transactions": [{"transaction_id": second}]}),
        "clawback": ("clawbacks", {**bought, "amount": {"minor": 1_000, "currency": "GBP"}}),
    }
    assert set(said) == set(OPERATIONS)
    return {kind: (path, {**body, "reference": f"X-{kind}"}) for kind, (path, body) in said.items()}


def test_every_table_gets_a_column_and_a_posting_a_field_while_this_version_works(place, receipts, expected) -> None:
    here = place("migrated")
    with here.up():
        with here.running("replay", str(receipts), "--json", "--concurrency", "4") as replay:
            wait_for(lambda: any(kept.stat().st_size for kept in here.folder.glob("replay/*.received")))
            with owner_of(here) as owner:
                for table in owner.execute(TABLES).fetchall():
                    owner.execute(sql.SQL("ALTER TABLE {} ADD COLUMN tomorrow text").format(sql.Identifier(*table)))
                with owner.transaction():
                    owner.execute(ONE_MORE_FIELD.encode())
                assert replay.poll() is None, "the schema has to change under the replay, not after it"
            out, _ = replay.communicate(timeout=RUN_S)
        assert replay.returncode == 0, out[-2000:] + here.stderr[-2000:]
        assert books(out) == expected
        assert failures(here) == [], here.stderr[-3000:]
    assert "Traceback" not in here.stderr, here.stderr[-3000:]
    code, out = here.run("ledger", "verify")
    assert code == 0, out
