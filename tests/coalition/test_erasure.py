"""Erasure and export: all that says who somebody is, and the ledger's sums."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from psycopg import sql

from coalition import (
    closing,
    erasure,
    identifiers,
    ledger,
    members,
    merges,
    pins,
    rotating_codes,
    verifications,
    verify,
)
from coalition.erasure import WalletNotEmpty
from coalition.members import MemberMerged, MemberNotFound
from coalition.refusals import HoldsOpen, MemberBlocked
from identity import members_export
from kit import clock, ids
from kit.db import SERVICE_ROLE
from tests.conftest import APPROVED, CARD, NOW, World, act, request

A, B = ids.new(), ids.new()
PHONE, EMAIL, EXTERNAL, PIN = "+447700900123", "ann@example.com", "CRM-0099-ANN", "83051"


@pytest.fixture
def ann(world: World):
    with world.transaction() as session:
        member = members.enrol(
            session, card=CARD, phone=PHONE, email=EMAIL, external_id=EXTERNAL, partner_id=A, now=NOW,
            keyring=world.keyring,
        ).member_id  # fmt: skip
        pins.put(session, act(world.keyring), member_id=member, pin=PIN)
        rotating_codes.issue(session, act(world.keyring), member_id=member)
    with world.transaction() as session:
        kept = next(i for i in export(world, member)["identifiers"] if i["kind"] == "email")
        assert kept["value"] == EMAIL
        identifier_id = session.exec_driver_sql(
            "SELECT identifier_id FROM coalition.member_identifier WHERE kind = 'email'"
        ).scalar_one()
        verifications.start(
            session, act(world.keyring, now=clock.now()), proved=False, member_id=member, identifier_id=identifier_id,
            partner_id=A,
        )  # fmt: skip
    return member


def export(world: World, member):
    with world.transaction() as session:
        return members_export.everything(session, act(world.keyring), member_id=member)


def erase(world: World, member, *, forfeit: bool = False) -> erasure.Erased:
    with world.transaction() as session:
        return members_export.erase(session, act(), member_id=member, forfeit=forfeit)


def post(world: World, partner, command) -> ledger.Transaction:
    with world.transaction() as session:
        return ledger.post(session, request(partner), command).unwrap()


def traces(world: World) -> dict[str, list[str]]:
    """In which tables of the database something of Ann's stands, in clear or as fingerprint."""
    prints = {
        kind: members.fingerprint(identifiers.parse(kind, value, partner_id=A), world.keyring).hex()
        for kind, value in (("card", CARD), ("phone", PHONE), ("email", EMAIL), ("external", EXTERNAL))
    }
    wanted = {CARD, PHONE, EMAIL, EXTERNAL, "a•••@e•••.com", "•••• 0123", *prints.values()}
    wanted |= {text.encode().hex() for text in (CARD, PHONE, EMAIL, EXTERNAL)}
    found: dict[str, list[str]] = {}
    with psycopg.connect(str(world.settings.database_url)) as owner:
        tables = owner.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        assert len(tables) > 20
        for names in tables:
            rows = owner.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(*names))).fetchall()
            if hits := [text for text in wanted if any(text in row for (row,) in rows)]:
                found[".".join(names)] = hits
    return found


def clean(world: World) -> list[str]:
    with world.transaction() as session:
        verify.snapshot(session)
        return [finding.broken for finding in verify.run(session) if finding.broken]


def test_nothing_says_who_it_was_and_the_books_are_as_right_as_before(world: World, ann) -> None:
    assert set(traces(world)) == {"coalition.member_identifier"}
    world.earn(A, ann, 100)
    world.earn(B, ann, 50)
    world.earn(A, ann, 30, due_at=NOW + timedelta(days=3))
    burned = world.burn(B, ann, 20)
    assert vars(erase(world, ann, forfeit=True)) == {"forfeited": 130, "pending": 30, "debt": 0}
    assert traces(world) == {}
    for table in ("member_secret", "identifier_verification", "member_identifier"):
        assert world.count(f"coalition.{table}") == 0
    assert world.available(ann) == 0
    assert clean(world) == []
    # A return still finds its wallet, and what vests there expires in time.
    post(world, B, ledger.Reversal(original_id=burned.transaction_id, reference="x", points=5))
    for n in range(4):
        closing.close_day(
            world.database, act(world.keyring, now=NOW + timedelta(days=n + 1)), day=NOW.date() + timedelta(days=n)
        )
    assert world.available(ann) == 35
    assert clean(world) == []


def test_what_expires_by_it_is_breakage_of_each_issuer(world: World, ann) -> None:
    world.earn(A, ann, 100)
    world.earn(B, ann, 50)
    erase(world, ann, forfeit=True)
    with world.transaction() as session:
        rows = session.exec_driver_sql(
            "SELECT issuer_id, sum(points)::int FROM coalition.posting WHERE credit = 'breakage' GROUP BY 1"
        )
        assert {row[0]: row[1] for row in rows} == {A: 100, B: 50}
    assert world.count(f"kit.event WHERE type = 'member.erased' AND partner_id = '{A}'") == 1


def test_points_and_debts_are_not_lost_unasked_and_a_purchase_in_progress_never(world: World, ann) -> None:
    world.earn(A, ann, 100)
    with pytest.raises(WalletNotEmpty) as refusal:
        erase(world, ann)
    assert refusal.value.fields == {"available": 100, "pending": 0, "debt": 0}
    post(world, A, ledger.Hold(member_id=ann, reference="h", points=1, due_at=NOW + timedelta(hours=1)))
    with pytest.raises(HoldsOpen):
        erase(world, ann, forfeit=True)
    assert set(traces(world)) == {"coalition.member_identifier"}
    assert world.count("coalition.member_secret") == 1
    assert world.count("coalition.wallet WHERE state = 'open'") == 1


def test_an_erased_member_is_nobody_for_good(world: World, ann) -> None:
    other = world.member("7001000000130470")
    erase(world, ann)
    with pytest.raises(MemberBlocked):
        world.earn(A, ann, 1)
    with world.transaction() as session, pytest.raises(MemberNotFound):
        members.by_id(session, ann)
    for again in (
        lambda session: merges.block(session, act(), member_id=ann, blocked=False),
        lambda session: merges.merge(session, APPROVED, member_id=other, into=ann, reference="m"),
        lambda session: merges.merge(session, APPROVED, member_id=ann, into=other, reference="m"),
        lambda session: erasure.erase(session, act(), member_id=ann, forfeit=True),
        lambda session: pins.put(session, act(world.keyring), member_id=ann, pin=PIN),
    ):
        with pytest.raises(MemberNotFound), world.transaction() as session:
            again(session)
    assert world.member(CARD) != ann


def test_a_merged_member_leaves_no_secrets_and_is_erased_with_whom_it_became(world: World, ann) -> None:
    kept = world.member("7001000000130470")
    with world.transaction() as session:
        merges.merge(session, APPROVED, member_id=ann, into=kept, reference="m").unwrap()
    assert world.count("coalition.member_secret") == 0
    with pytest.raises(MemberMerged):
        erase(world, ann)
    erase(world, kept)
    assert traces(world) == {}


def test_an_export_holds_everything_and_no_secret(world: World, ann) -> None:
    earned = world.earn(A, ann, 100)
    world.burn(B, ann, 20)
    held = export(world, ann)
    values = {one["kind"]: (one["value"], one["masked"]) for one in held["identifiers"]}
    assert values["phone"][0] == PHONE
    assert values["email"][0] == EMAIL
    assert values["external"][0] == EXTERNAL
    assert values["card"] == (None, "••••••••••••8503")
    assert (held["available"], held["has_pin"], held["has_code"], held["consents"]) == (80, True, True, [])
    assert [t["kind"] for t in held["transactions"]] == ["earn", "burn"]
    assert held["transactions"][0]["transaction_id"] == ids.show(ids.TRANSACTION, earned.transaction_id)
    assert [lot["remaining"] for lot in held["lots"]] == [80]
    assert [event["type"] for event in held["events"]] == ["member.enrolled", "points.earned", "points.burned"]
    assert not {"pin_hash", "sealed", "sealed_seed"} & (held.keys() | set().union(*held["identifiers"]))
    with pytest.raises(MemberNotFound):
        export(world, ids.new())


def test_the_service_may_neither_delete_members_nor_read_what_was_answered(world: World) -> None:
    with psycopg.connect(str(world.settings.database_url)) as owner:
        allowed = owner.execute(
            "SELECT has_table_privilege(%s, 'coalition.member', 'DELETE'),"
            " has_column_privilege(%s, 'coalition.idempotency', 'detail', 'SELECT')",
            (SERVICE_ROLE, SERVICE_ROLE),
        ).fetchone()
    assert allowed == (False, False)
