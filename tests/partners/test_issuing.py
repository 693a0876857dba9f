"""No live issuer is ever without rate and agreement: whoever takes terms away, in whatever state, by whatever way."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from types import ModuleType
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import text

from coalition import dated, rates
from kit import clock, ids
from kit.db import Session
from kit.errors import CoalitionError
from partners import accounts, lifecycle
from partners.issuing import TermsMissing
from partners.lifecycle import OnboardingIncomplete
from settlement import agreements
from tests.conftest import NOW, World, act, until_somebody_waits

DAY = NOW.date()
SOON, LATER = (DAY + timedelta(days=n) for n in (10, 20))
STEP = act(reason="as agreed", by="ann")
WHY = {"reason": "a slip of the pen"}
SAID = ("--reason", "a slip of the pen", "--by", "Ann Admin")
ROOMS = {"rate": rates, "agreement": agreements}


def put(session: Session, noun: str, partner_id: UUID, since: date) -> UUID:
    if noun == "rate":
        return rates.set_rate(
            session,
            act(),
            partner_id=partner_id,
            points_per_unit=Decimal(1),
            minor_per_unit=100,
            currency="GBP",
            since=since,
        ).rate_id
    return agreements.agree(
        session, act(), partner_id=partner_id, redemption_price_minor=Decimal(1), currency="GBP", since=since
    ).agreement_id


def withdraw(session: Session, noun: str, version_id: UUID) -> None:
    room: Any = ROOMS[noun]
    room.withdraw(session, act(), **{f"{noun}_id": version_id})


def move(session: Session, noun: str, version_id: UUID, *, to: date = SOON) -> None:
    room: Any = ROOMS[noun]
    room.correct(session, act(), **{f"{noun}_id": version_id}, changes={"since": to})


def reprice(session: Session, noun: str, version_id: UUID) -> None:
    room: Any = ROOMS[noun]
    value: Any = {"points_per_unit": Decimal(2)} if noun == "rate" else {"redemption_price_minor": Fraction(2)}
    room.correct(session, act(), **{f"{noun}_id": version_id}, changes=value)


def become(session: Session, partner_id: UUID, status: str, *, is_issuer: bool = True) -> None:
    session.execute(
        text("""UPDATE partners.partner SET status = CAST(:status AS partners.partner_status), is_issuer = :issuer,
                       earns_until = :leaving, burns_until = :leaving, leaves_at = :leaving
                WHERE partner_id = :partner_id"""),
        {
            "status": status, "issuer": is_issuer, "partner_id": partner_id,
            "leaving": NOW + timedelta(days=1) if status == "leaving" else None,
        },
    )  # fmt: skip


def has_terms(session: Session, partner_id: UUID) -> bool:
    """Asked of the rows, day by day, and not of what the rule asks."""
    statement = "SELECT lower(valid), upper(valid) FROM {} WHERE partner_id = :p"
    rows = [
        session.execute(text(statement.format(table)), {"p": partner_id})
        for table in ("coalition.earning_rate", "settlement.agreement")
    ]
    found = [[tuple(row) for row in spans] for spans in rows]
    return all(
        any(since <= day and (until is None or day < until) for since, until in spans)
        for spans in found
        for day in (DAY + timedelta(days=n) for n in range(60))
    )


@pytest.fixture
def issuer(world: World) -> accounts.Partner:
    """A live issuer with its terms."""
    made = world.partner("grocer")
    world.give_terms(made.partner_id)
    return made


def only(session: Session, noun: str, partner_id: UUID) -> UUID:
    room: Any = ROOMS[noun]
    [found] = room.of_partner(session, partner_id=partner_id, after=UUID(int=0), limit=9)
    version_id: UUID = getattr(found, f"{noun}_id")
    return version_id


# What is done, and whether it takes days away from who has nothing else for them.
VERBS: list[tuple[Callable[..., None], bool]] = [(withdraw, True), (move, True), (reprice, False)]
STATES = [("active", True), ("leaving", True), ("suspended", True), ("onboarding", True), ("left", True),
          ("active", False), ("leaving", False)]  # fmt: skip


@pytest.mark.parametrize("noun", ROOMS)
@pytest.mark.parametrize(("verb", "takes"), VERBS)
def test_the_only_terms_are_taken_from_nobody_who_is_live_and_issues(world: World, issuer, noun, verb, takes) -> None:
    with world.transaction() as session:
        version = only(session, noun, issuer.partner_id)
    for status, is_issuer in STATES:
        with world.database.trial() as session:
            become(session, issuer.partner_id, status, is_issuer=is_issuer)
            if takes and is_issuer and status in ("active", "leaving"):
                with pytest.raises(TermsMissing) as refused:
                    verb(session, noun, version)
                assert refused.value.fields["missing"] == [noun]
                assert f"no {noun} on {DAY}" in refused.value.detail, "it says from when"
                assert "suspend the partner" in refused.value.detail, "and what to do"
            else:
                verb(session, noun, version)


@pytest.mark.parametrize("noun", ROOMS)
@pytest.mark.parametrize("verb", [withdraw, move, reprice])
def test_terms_that_others_stand_in_for_are_taken_and_moved_as_before(world: World, issuer, noun, verb) -> None:
    with world.transaction() as session:
        later = put(session, noun, issuer.partner_id, LATER)
        verb(session, noun, later)
        assert has_terms(session, issuer.partner_id)


@pytest.mark.parametrize("noun", ROOMS)
def test_the_first_terms_may_go_once_others_are_made_for_their_days(world: World, issuer, noun) -> None:
    with world.transaction() as session:
        first = only(session, noun, issuer.partner_id)
        put(session, noun, issuer.partner_id, LATER)
    with pytest.raises(TermsMissing), world.transaction() as session:
        withdraw(session, noun, first)  # those that begin later leave the days before them
    with world.transaction() as session:
        put(session, noun, issuer.partner_id, DAY - timedelta(days=1))
        withdraw(session, noun, first)
        assert has_terms(session, issuer.partner_id)


def test_a_hole_in_days_to_come_counts_as_one_of_today(world: World, issuer) -> None:
    with psycopg.connect(str(world.settings.database_url)) as owner:
        owner.execute("UPDATE settlement.agreement SET valid = daterange(lower(valid), %s)", (LATER,))
    for verb, status in ((lifecycle.resume, "suspended"), (lifecycle.vouch, "onboarding")):
        with world.transaction() as session:
            become(session, issuer.partner_id, status)
        with pytest.raises(TermsMissing) as refused, world.transaction() as session:
            verb(session, STEP, partner_id=issuer.partner_id)
        assert refused.value.fields["missing"] == ["agreement"]


def test_who_lacked_terms_before_can_still_put_right_what_it_has(world: World) -> None:
    old = world.partner("grocer")  # live without terms, as partners were before they were asked for
    with world.transaction() as session:
        soon = put(session, "agreement", old.partner_id, SOON)
        move(session, "agreement", soon, to=LATER)
        reprice(session, "agreement", soon)
        withdraw(session, "agreement", soon)
        assert agreements.of_partner(session, partner_id=old.partner_id, after=UUID(int=0), limit=2) == []


def test_whatever_is_done_in_whatever_order_a_live_issuer_has_its_terms(world: World, issuer) -> None:
    chance, refusals = random.Random(17), set()
    for _ in range(80):
        noun = chance.choice(list(ROOMS))
        room: ModuleType = ROOMS[noun]
        day = DAY + timedelta(days=chance.randrange(-3, 25))
        with world.transaction() as session:
            versions = room.of_partner(session, partner_id=issuer.partner_id, after=UUID(int=0), limit=99)
            one = getattr(chance.choice(versions), f"{noun}_id")
        try:
            with world.transaction() as session:
                match chance.randrange(3):
                    case 0:
                        put(session, noun, issuer.partner_id, day)
                    case 1:
                        move(session, noun, one, to=day)
                    case 2:
                        withdraw(session, noun, one)
        except CoalitionError as error:
            refusals.add(error.code)
        with world.transaction() as session:
            assert has_terms(session, issuer.partner_id)
    assert refusals == {"terms_missing", "day_is_over", "version_taken"}


@pytest.mark.parametrize("noun", ROOMS)
def test_the_terminal_refuses_in_one_line(
    world: World, issuer, terminal, noun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    with world.transaction() as session:
        version = ids.show(noun if noun == "rate" else ids.AGREEMENT, only(session, noun, issuer.partner_id))
    for words in (("withdraw", version), ("correct", version, "--since", f"{SOON}")):
        done = terminal(noun, *words, *SAID)
        assert done.exit_code == 1
        [line] = done.stderr.splitlines()
        assert line.endswith("(terms_missing)")
    assert terminal("partner", "suspend", "grocer", *SAID).exit_code == 0
    assert terminal(noun, "withdraw", version, *SAID).exit_code == 0
    again = terminal("partner", "resume", "grocer", *SAID)
    assert again.stderr.splitlines()[-1].endswith(f"{noun} (terms_missing)"), "it comes back with its terms only"


@pytest.mark.parametrize("noun", ROOMS)
@pytest.mark.parametrize("is_dry", [True, False])
def test_the_admin_api_refuses_and_a_dry_run_says_so(world: World, admin, noun, is_dry) -> None:
    boss = admin()
    base = f"/v1/admin/partners/{ids.show(ids.PARTNER, world.partner('grocer').partner_id)}"
    assert boss.post(f"{base}/rates", {"points_per_unit": "1", **WHY}).status_code == 201
    assert boss.post(f"{base}/agreements", {"redemption_price_minor": "1", **WHY}).status_code == 201
    [had] = boss.get(f"{base}/{noun}s").json["data"]
    one = f"/v1/admin/{noun}s/{had[f'{noun}_id']}"
    dry = "?dry_run=true" if is_dry else ""
    for answer in (boss.post(f"{one}/withdraw{dry}", WHY), boss.patch(one + dry, {"since": "2099-01-01", **WHY})):
        assert (answer.status_code, answer.json["code"]) == (409, "terms_missing")
        assert answer.json["missing"] == [noun]
    assert boss.get(f"{base}/{noun}s").json["data"] == [had]
    assert boss.post(f"{base}/suspend", WHY).status_code == 200
    assert boss.post(f"{one}/withdraw", WHY).status_code == 204
    answer = boss.post(f"{base}/resume{dry}", WHY)
    assert (answer.status_code, answer.json["missing"]) == (409, [noun])


def test_points_are_given_by_hand_for_a_partner_with_terms_only(world: World, terminal) -> None:
    partner, member = world.partner("grocer"), ids.show_our_own(world.member())
    give = ("member", "adjust", member, "grocer", "5", "--reference", "A1", *SAID)
    assert terminal(*give).stderr.splitlines()[-1].endswith("(terms_missing)")
    assert world.count("coalition.txn") == 0
    world.give_terms(partner.partner_id)
    assert terminal(*give).exit_code == 0


def vouch(session: Session, partner_id: UUID) -> None:
    lifecycle.vouch(session, STEP, partner_id=partner_id)


def activate(session: Session, partner_id: UUID) -> None:
    try:
        lifecycle.activate(session, STEP, partner_id=partner_id)
    except OnboardingIncomplete as lacking:
        missing: Any = lacking.fields["missing"]
        if "rate" in missing or "agreement" in missing:
            raise TermsMissing("", missing=missing) from None
        become(session, partner_id, "active")  # its papers aren't what this is about


def resume(session: Session, partner_id: UUID) -> None:
    lifecycle.resume(session, STEP, partner_id=partner_id)


def begin_to_issue(session: Session, partner_id: UUID) -> None:
    accounts.change(session, act(), partner_id=partner_id, is_issuer=True)


# What makes a live issuer, and of whom.
GO_LIVE = [(vouch, "onboarding", True), (activate, "onboarding", True), (resume, "suspended", True),
           (begin_to_issue, "active", False)]  # fmt: skip


@pytest.mark.parametrize(("go_live", "status", "is_issuer"), GO_LIVE)
@pytest.mark.parametrize("goes_first", [True, False])
@pytest.mark.parametrize("noun", ROOMS)
def test_of_going_live_and_taking_its_terms_at_once_the_second_is_refused(
    world: World, issuer, go_live, status, is_issuer, goes_first, noun
) -> None:
    with world.transaction() as session:
        become(session, issuer.partner_id, status, is_issuer=is_issuer)
        version = only(session, noun, issuer.partner_id)
    deeds: list[Callable[[Session], None]] = [
        lambda session: go_live(session, issuer.partner_id), lambda session: withdraw(session, noun, version),
    ]  # fmt: skip
    first, second = deeds if goes_first else reversed(deeds)
    met: list[BaseException] = []

    def follow() -> None:
        try:
            with world.transaction() as session:
                second(session)
        except CoalitionError as error:
            met.append(error)

    follower = threading.Thread(target=follow)
    with world.transaction() as session:
        first(session)
        follower.start()
        until_somebody_waits(world)
    follower.join(30)
    assert [type(error) for error in met] == [TermsMissing]


def test_first_gap_is_the_first_day_without_terms(world: World, issuer) -> None:
    with world.transaction() as session:
        for since, gap in ((DAY - timedelta(days=3), DAY - timedelta(days=3)), (DAY, None), (LATER, None)):
            found = dated.first_gap(session, rates.VERSIONS, partner_id=issuer.partner_id, since=since)
            assert found == gap
