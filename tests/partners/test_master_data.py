"""Partners' master data at the terminal: shown and corrected, with a reason; what collides is said in one line."""

from __future__ import annotations

import json
import threading
from typing import Any

import psycopg
import pytest

from identity import access_tokens, clients
from kit import audit
from tests.conftest import NOW, World, act, until_somebody_waits

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
        until_somebody_waits(world)
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
    said = {"fields": ["email"], "reason": "a slip of the pen", "by": "Ann Admin", "of": right["partner_id"]}
    assert entry.facts["facts"] == said
    assert "grocer.example" not in entry.content


def test_what_a_record_may_lack_is_taken_away_again(world: World, ask, terminal) -> None:
    world.partner("grocer")
    words = ("--name", "Leo Legal", "--email", "leo@grocer.example", "--phone", "+44 20 7946 0000")
    made = ask("partner", "contact", "add", "grocer", "legal", *words)["contact_id"]
    assert ask("partner", "contact", "correct", made, "--no-phone", *SAID)["phone"] is None
    both = terminal("partner", "contact", "correct", made, "--no-phone", "--phone", "+44 20 7946 0001", *SAID)
    assert (both.exit_code, "either --phone or --no-phone" in both.stderr) == (2, True)
    ask("partner", "category", "add", "food")
    words = ("--since", "2026-12-01", "--until", "2027-01-01", "--clause", "7.1")
    made = ask("partner", "placement", "add", "grocer", "food", "GB", *words)["placement_id"]
    right = ask("partner", "placement", "correct", made, "--no-until", "--no-clause", *SAID)
    assert (right["until"], right["clause"], right["since"]) == (None, None, "2026-12-01")


def test_a_change_of_a_partner_names_its_fields_and_there_is_one(world: World, ask, terminal) -> None:
    world.partner("grocer")
    ask("partner", "update", "grocer", "--name", "Grocer Ltd", *SAID)
    with world.transaction() as session:
        entry = audit.newest(session, limit=1)[0]
    assert entry.facts["facts"] == {"fields": ["name"], "reason": "a slip of the pen", "by": "Ann Admin"}
    assert terminal("partner", "update", "grocer", *SAID).exit_code == 2


def test_no_scopes_are_not_all_of_them(world: World, ask, terminal) -> None:
    partner = world.partner("grocer")
    made = ask("client", "create", "grocer", "--scope", "earn:write")["client_id"]
    refused = terminal("client", "correct", made, "--scopes", "", *SAID)
    assert (refused.exit_code, "(unknown_scope)" in refused.stderr) == (1, True)
    assert ask("client", "show", made)["scopes"] == ["earn:write"]
    with world.transaction() as session, pytest.raises(clients.UnknownScope):
        clients.create_tills(session, act(), partner_id=partner.partner_id, name="Tills", scopes=[])


def test_a_client_whose_scopes_are_corrected_loses_the_tokens_that_said_otherwise(world: World, ask) -> None:
    partner = world.partner("grocer")
    with world.transaction() as session:
        made, _ = clients.create(session, act(world.keyring), partner_id=partner.partner_id, scopes=None)
        token = access_tokens.issue(
            session, client=made, scopes=made.scopes, lifetime_s=3600, now=NOW, keyring=world.keyring
        )
    hash_ = access_tokens.hash_of(world.keyring, token)
    assert hash_ is not None
    assert ask("client", "correct", made.client_id, "--scopes", "earn:write", *SAID)["scopes"] == ["earn:write"]
    with world.transaction() as session:
        assert access_tokens.find_principal(session, token_hash=hash_, now=NOW) is None
    [listed] = ask("client", "list", "grocer")["data"]
    assert listed == ask("client", "show", made.client_id)
    assert "secret" not in json.dumps(listed).replace("client_secret_basic", "")
