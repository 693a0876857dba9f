"""Partners' master data at the terminal: shown and corrected, with a reason; what collides is said in one line."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import psycopg
import pytest

from partners import audit, clients
from tests.conftest import NOW, World

SAID = ("--reason", "a slip of the pen", "--by", "Ann Admin")
PLACE = ("--name", "Shop", "--territory", "GB", "--address", "Here")
# What can be there once only: the words that make it, said twice.
ONCE = [
    "partner create grocer --rate 1 --price 1",
    "partner brand add grocer Grocer",
    "partner category add food",
    "partner location add grocer S1 --name Shop --territory GB --address Here",
    "partner till add grocer S1 1",
    "partner staff add grocer --email ann@grocer.example --name Ann --role manager",
    "rate set grocer 1 --since 2099-01-01",
    "agreement create grocer 1 --since 2099-01-01",
]


@pytest.fixture
def ask(terminal) -> Any:
    def command(*words: str) -> Any:
        done = terminal(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    return command


def test_what_is_there_already_is_said_in_one_line_and_never_by_sqlalchemy(world: World, terminal) -> None:
    for line in ONCE:
        assert terminal(*line.split()).exit_code == 0, line
        again = terminal(*line.split())
        assert (again.exit_code, again.exception and type(again.exception)) == (1, SystemExit), line
        [said] = again.stderr.splitlines()
        assert said.endswith(("_taken)", "_overlap)")), said


def test_two_at_once_that_no_check_can_see_are_told_apart_in_one_line(world: World, terminal, ask) -> None:
    world.partner("grocer")
    mine = ask("partner", "location", "add", "grocer", "S1", *PLACE)["location_id"]
    other = ask("partner", "location", "add", "grocer", "S2", *PLACE)["location_id"]
    ended: list[Any] = []
    with psycopg.connect(str(world.settings.database_url)) as first:
        first.execute("UPDATE partners.location SET code = 'S3' WHERE code = 'S2'")
        words = ("partner", "location", "correct", mine, "--code", "S3", *SAID)
        second = threading.Thread(target=lambda: ended.append(terminal(*words)))
        second.start()
        _wait_until_blocked(world)
        first.commit()
    second.join(30)
    assert ended[0].exit_code == 1
    [said] = ended[0].stderr.splitlines()
    assert "location_partner_id_code_key (database_refused)" in said
    assert ask("partner", "location", "show", other)["code"] == "S3"


def test_a_correction_keeps_who_decided_it_and_why_and_names_fields_only(world: World, ask) -> None:
    world.partner("grocer")
    words = ("--name", "Leo Legal", "--email", "leo@grocer.example")
    made = ask("partner", "contact", "add", "grocer", "legal", *words)["contact_id"]
    right = ask("partner", "contact", "correct", made, "--email", "legal@grocer.example", *SAID)
    assert ask("partner", "contact", "show", made) == {**right, "email": "legal@grocer.example", "name": "Leo Legal"}
    with world.transaction() as session:
        entry = audit.newest(session, limit=1)[0]
    assert entry.facts["facts"] == {"fields": ["email"], "reason": "a slip of the pen", "by": "Ann Admin"}
    assert "grocer.example" not in entry.content


def test_a_client_whose_scopes_are_corrected_loses_the_tokens_that_said_otherwise(world: World, ask) -> None:
    partner = world.partner("grocer")
    with world.transaction() as session:
        made, _ = clients.create(session, partner_id=partner.partner_id, scopes=None, now=NOW, keyring=world.keyring)
        token = clients.issue_token(
            session, client=made, scopes=made.scopes, lifetime_s=3600, now=NOW, keyring=world.keyring
        )
    hash_ = clients.token_hash_of(world.keyring, token)
    assert hash_ is not None
    assert ask("client", "correct", made.client_id, "--scopes", "earn:write", *SAID)["scopes"] == ["earn:write"]
    with world.transaction() as session:
        assert clients.find_principal(session, token_hash=hash_, now=NOW) is None
    [listed] = ask("client", "list", "grocer")["data"]
    assert listed == ask("client", "show", made.client_id)
    assert "secret" not in json.dumps(listed).replace("client_secret_basic", "")


def _wait_until_blocked(world: World) -> None:
    deadline = time.monotonic() + 30
    with psycopg.connect(str(world.settings.database_url), autocommit=True) as watch:
        while time.monotonic() < deadline:
            row = watch.execute("""
                SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
            """).fetchone()
            if row and row[0]:
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits")
