"""The audit: what is written down, that its chain shows every change, and that many at once make one chain."""

from __future__ import annotations

import getpass
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from api import admission
from cli import main
from kit import audit, ids
from kit.audit import Act, Actor
from kit.secrets import Keyring
from tests.conftest import CARD, NOW, World, audited

OPERATOR = Actor(kind="operator", actor_id="anna")


def act_of(keyring: Keyring) -> Act:
    return Act(actor=OPERATOR, now=NOW, keyring=keyring)


def append(world: World, subject: str) -> None:
    with world.transaction() as session:
        audit.append(session, act_of(world.keyring), "thing.done", subject, points=5)


def verify(world: World, expected: str | None = None) -> audit.Finding:
    with world.transaction() as session:
        return audit.verify(session, keyring=world.keyring, expected_head=expected)


def as_superuser(world: World, *statements: str) -> None:
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("ALTER TABLE partners.audit_entry DISABLE TRIGGER ALL")
        for statement in statements:
            owner.execute(statement)
        owner.execute("ALTER TABLE partners.audit_entry ENABLE TRIGGER ALL")


def test_entries_follow_each_other_and_say_who_did_what(world: World) -> None:
    assert verify(world).entries == 0
    for number in range(3):
        append(world, f"x{number}")
    found = audited(world.database)[:2]
    assert [(entry["seq"], entry["subject"]) for entry in found] == [(3, "x2"), (2, "x1")]
    assert found[0]["actor_id"] == "anna"
    assert found[0]["facts"] == {"points": 5}
    finding = verify(world)
    assert (finding.entries, finding.broken_seq) == (3, None)
    assert finding.head == f"3:{found[0]['digest']}"


@pytest.mark.parametrize(
    ("tampering", "broken", "reason"),
    [
        (
            "UPDATE partners.audit_entry SET content = replace(content, 'anna', 'otto') WHERE seq = 2",
            2, "the entry was changed",
        ),
        ("UPDATE partners.audit_entry SET digest = sha256(digest) WHERE seq = 3", 3, "the entry was changed"),
        ("DELETE FROM partners.audit_entry WHERE seq = 2", 2, "the entry is missing"),
        ("DELETE FROM partners.audit_entry WHERE seq = 1", 1, "the entry is missing"),
        ("INSERT INTO partners.audit_entry SELECT 0 + 6, content, digest FROM partners.audit_entry WHERE seq = 1",
         6, "the entry was changed"),
        ("UPDATE partners.audit_entry SET seq = 9 WHERE seq = 5", 5, "the entry is missing"),
        (("UPDATE partners.audit_entry e SET content = a.content, digest = a.digest FROM partners.audit_entry a"
          " WHERE a.seq = 4 AND e.seq = 2"), 2, "the entry was changed"),
    ],
)  # fmt: skip
def test_whatever_a_superuser_changes_is_found_and_named(world: World, tampering, broken, reason) -> None:
    for number in range(5):
        append(world, f"x{number}")
    as_superuser(world, tampering)
    found = verify(world)
    assert (found.broken_seq, found.reason) == (broken, reason)


def test_a_chain_made_anew_without_the_key_does_not_hold(world: World) -> None:
    append(world, "x")
    as_superuser(world, "TRUNCATE partners.audit_entry")
    with world.transaction() as session:
        audit.append(session, act_of(Keyring(bytes(32))), "a", "s")
    assert verify(world).broken_seq == 1


def test_an_end_that_was_cut_off_is_missed_by_whoever_kept_the_head(world: World) -> None:
    for number in range(3):
        append(world, f"x{number}")
    head = verify(world).head
    append(world, "later")
    assert verify(world, head).broken_seq is None
    as_superuser(world, "DELETE FROM partners.audit_entry WHERE seq > 2")
    assert verify(world).broken_seq is None
    assert (verify(world, head).broken_seq, verify(world, head).reason) == (3, "the end of the chain was cut off")
    append(world, "other")
    assert verify(world, head).reason == "the entry is not the one that was expected"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE partners.audit_entry SET content = '{}'",
        "DELETE FROM partners.audit_entry",
        "TRUNCATE partners.audit_entry",
        "INSERT INTO partners.audit_entry VALUES (2, '{}', sha256('x'))",
        "SELECT partners.audit_append(7, '{}', sha256('x'))",
        "SELECT partners.audit_append(1, '{}', sha256('x'))",
        "SELECT partners.audit_append(2, '{}', 'x')",
    ],
)
def test_the_service_can_only_append(world: World, statement) -> None:
    append(world, "x")
    with pytest.raises(DBAPIError), world.transaction() as session:
        session.execute(text(statement))
    assert verify(world).entries == 1


@pytest.mark.parametrize("statement", ["UPDATE partners.audit_entry SET seq = 2", "DELETE FROM partners.audit_entry",
                                       "TRUNCATE partners.audit_entry"])  # fmt: skip
def test_even_the_owner_is_stopped_once(world: World, statement) -> None:
    append(world, "x")
    with psycopg.connect(str(world.settings.database_url)) as owner, pytest.raises(psycopg.Error, match="append-only"):
        owner.execute(statement)


def test_many_at_once_make_one_chain(world: World) -> None:
    barrier = threading.Barrier(8)

    def many(number: int) -> None:
        barrier.wait()
        for step in range(10):
            append(world, f"{number}-{step}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(many, range(8)))
    assert (verify(world).entries, verify(world).broken_seq) == (80, None)


def test_what_is_rolled_back_is_not_written_down(world: World) -> None:
    with world.database.trial() as session:
        audit.append(session, act_of(world.keyring), "a", "s")
    append(world, "x")
    assert verify(world).entries == 1


def test_changes_of_endpoints_and_lookups_name_client_address_and_request(world: World, app, caller) -> None:
    grocer = caller("greengrocer")
    made = grocer.post("/v1/webhook-endpoints", {"url": "https://hooks.example.com/secret-path"})
    grocer.patch(f"/v1/webhook-endpoints/{made.json['endpoint_id']}", {"status": "disabled"})
    grocer.patch("/v1/webhook-endpoints/ep_01h45ytscbebyvny4gc8cr8ma2", {"status": "disabled"})
    shown = grocer.post("/v1/members", {"card": CARD}).json["member_id"]
    member = ids.show_our_own(grocer.inner(shown))
    looked_up = [grocer.post("/v1/members/lookup", {"card": card}) for card in (CARD, "7001000000130470")]
    with app.app_context():
        admission.write_out()
    lookups, changed, registered = audited(world.database)
    assert registered["action"] == "webhook_endpoint.registered"
    assert registered["subject"] == made.json["endpoint_id"]
    assert registered["kind"] == "client"
    assert registered["partner_id"].startswith("prt_")
    assert registered["address"] == "127.0.0.1"
    assert registered["request_id"] == made.headers["Request-Id"]
    assert changed["facts"] == {"status": "disabled"}
    assert lookups["action"] == "members.looked_up"
    found = [(one["request_id"], one["member_id"]) for one in lookups["facts"]["lookups"]]
    assert found == [(looked_up[0].headers["Request-Id"], member), (looked_up[1].headers["Request-Id"], None)]
    whole = json.dumps(audited(world.database))
    assert CARD not in whole
    assert "secret-path" not in whole
    assert verify(world).broken_seq is None


@pytest.fixture
def command(world: World, monkeypatch):
    """Run `coalition …` on the world's database."""
    for name in ("database_url", "redis_url", "data_dir", "secret_key"):
        monkeypatch.setenv(f"COALITION_{name.upper()}", str(getattr(world.settings, name)))

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, words)
        return done.exit_code, done.output

    return run


def test_what_the_operator_does_is_written_down(world: World, command) -> None:
    world.partner("greengrocer")
    client = json.loads(command("client", "create", "greengrocer", "--json")[1])["client_id"]
    assert command("client", "limit", client, "250", "--reason", "a trial")[0] == 0
    assert command("client", "revoke", client, "--reason", "a trial")[0] == 0
    assert command("client", "revoke", "co_client_none", "--reason", "a trial")[0] == 1
    code, listed = command("audit", "list", "--json")
    assert code == 0
    assert [entry["action"] for entry in json.loads(listed)["data"]] == [
        "client.revoked", "client.limited", "client.created",
    ]  # fmt: skip
    assert {entry["actor_id"] for entry in json.loads(listed)["data"]} == {getpass.getuser()}
    assert client in command("audit", "list")[1]


def test_blocking_adjusting_and_merging_are_written_down_once(world: World, command) -> None:
    world.give_terms(world.partner("greengrocer").partner_id)
    first, second = (ids.show_our_own(world.member(card)) for card in (CARD, "7001000000130470"))
    adjust = ("member", "adjust", first, "greengrocer", "5", "--reference", "A1", "--reason", "x", "--by", "anna")
    merge = ("member", "merge", first, second, "--reference", "M1", "--reason", "one person", "--by", "ann")
    for words in (("member", "block", first), ("member", "unblock", first), adjust, merge):
        for _ in range(2):
            assert command(*words)[0] == 0, words
    assert [entry["action"] for entry in reversed(audited(world.database))] == [
        "member.blocked", "member.unblocked", "member.adjusted", "member.merged",
    ]  # fmt: skip


def test_the_command_verifies_and_fails_with_the_place(world: World, command) -> None:
    append(world, "x")
    append(world, "y")
    code, said = command("audit", "verify")
    assert (code, "2 entries" in said) == (0, True)
    head = verify(world).head
    assert command("audit", "verify", "--expect", head)[0] == 0
    assert command("audit", "verify", "--expect", "nonsense")[0] == 2
    as_superuser(world, "UPDATE partners.audit_entry SET content = '{\"at\":1}' WHERE seq = 1")
    code, said = command("audit", "verify", "--json")
    assert code == 1
    assert json.loads(said)["broken_seq"] == 1
    assert "broken at entry 1" in command("audit", "verify")[1]
