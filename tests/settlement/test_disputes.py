"""A disputed line leaves the net, and comes back with the outcome, to the cent; no settled day changes."""

from __future__ import annotations

import io
import json
import re
import secrets
import shlex
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st
from pypdf import PdfReader
from sqlalchemy import text

from coalition import members, programme
from console.app import CATALOGUES
from kit import ids, translation
from kit.audit import ReasonMissing
from kit.db import Session
from kit.errors import CoalitionError
from kit.texts import MalformedText
from settlement import (
    dispute_records,
    disputes,
    nightly,
    obligations,
    periods,
    policies,
    runs,
    settled_days,
    statement_form,
    statements,
    verify,
    what_if,
)
from settlement.accounting import accounts, journal
from settlement.cycles import Span
from settlement.dispute_records import Dispute, DisputeNotFound
from settlement.disputes import (
    DisputeAnswered,
    DisputeKeyReused,
    DisputeNeedsApproval,
    DisputeResolved,
    DisputeTooLate,
    LineDisputed,
    LineNotFound,
    NotDisputable,
    OwnDispute,
    Request,
    ResolutionRefused,
)
from settlement.drill_down import ObligationNotFound
from settlement.obligations import Kept
from tests.conftest import NOW, World, act
from tests.service import terminal
from tests.settlement import small_coalition
from tests.settlement.months import agree
from tests.settlement.test_files import file, table

__all__ = ["terminal"]
ROOT = Path(__file__).parents[2]
DAY = NOW.date()
ONE_DAY = timedelta(days=1)
TWO = {"by": "ann", "approved_by": "ben"}


class Trade:
    """The grocer owes the station 315 and 31 pence for points burned on the first day, and a fee of 3 to the fund."""

    def __init__(self, world: World) -> None:
        self.world, self.day = world, DAY
        self.grocer, self.station, self.other = (
            world.partner(code).partner_id for code in ("greengrocer", "fuelway", "pagebound")
        )
        agree(world, self.grocer, DAY, redemption_price_minor="0.95", fee_percent=1)
        member = world.member()
        world.earn(self.grocer, member, 1001)
        world.burn(self.station, member, 331, reference="C-1")
        world.burn(self.station, member, 33, reference="C-2")
        self.settle()

    def settle(self, days: int = 1) -> None:
        for _ in range(days):
            nightly.run(self.world.database, act(self.world.keyring, now=self.now + ONE_DAY), day=self.day)
            self.day += ONE_DAY

    @property
    def now(self) -> datetime:
        return datetime.combine(self.day, time(12), UTC)

    def owed(self, kind: str = "redemption", day: date = DAY) -> Kept:
        with self.world.transaction() as session:
            (found,) = [one for one in obligations.of_days(session, day, day) if one.kind == kind]
        return found

    def dispute(
        self, line: int | None = 1, *, by: UUID | None = None, owed: Kept | None = None, **more: Any
    ) -> Dispute:
        doing = act(self.world.keyring, now=self.now, reason="paid in cash")
        with self.world.transaction() as session:
            return disputes.add(
                session, doing, party_id=by or self.grocer, line=line,
                obligation_id=(owed or self.owed()).obligation_id, **more,
            )  # fmt: skip

    def resolve(self, one: Dispute, outcome: str, amount: int | None = None, **said: Any) -> Dispute:
        doing = act(self.world.keyring, now=self.now, **{"reason": "looked into", **TWO, **said})
        with self.world.transaction() as session:
            return disputes.resolve(session, doing, dispute_id=one.dispute_id, outcome=outcome, amount_minor=amount)

    def answer(self, one: Dispute, comment: str, *, by: UUID | None = None) -> Dispute:
        with self.world.transaction() as session:
            return disputes.answer(
                session, act(self.world.keyring, now=self.now), dispute_id=one.dispute_id,
                party_id=by or self.station, comment=comment,
            )  # fmt: skip

    def nets(self, day: date) -> dict[UUID, int]:
        """What each partner receives of a day's run."""
        with self.world.transaction() as session:
            found = runs.positions(session, runs.of_day(session, day).run_id)
        assert sum(one.amount_minor for one in found) == 0
        return {one.party_id: one.amount_minor for one in found if one.amount_minor}


@pytest.fixture
def trade(world: World) -> Trade:
    return Trade(world)


def hashes(world: World) -> list[Any]:
    with world.transaction() as session:
        return [
            *((day, settled_days.content_hash(session, day)) for day in settled_days.all_of_them(session)),
            *((one.run_id, one.content_hash) for one in runs.newest(session, limit=100) if one.content_hash),
        ]


@pytest.mark.parametrize(
    ("outcome", "amount", "back"), [("upheld", None, 0), ("rejected", None, 315), ("part", 115, 115)]
)
def test_a_disputed_line_leaves_the_net_and_comes_back_with_its_outcome(
    trade: Trade, outcome: str, amount: int | None, back: int
) -> None:
    before = hashes(trade.world)
    first = trade.nets(DAY)
    assert (first[trade.grocer], first[trade.station]) == (-349, 346)
    made = trade.dispute()
    assert (made.status, made.amount_minor, made.reference, made.settled_on) == ("open", 315, "C-1", DAY)
    trade.settle()
    assert trade.nets(DAY + ONE_DAY) == {trade.grocer: 315, trade.station: -315}
    trade.settle()
    assert trade.nets(DAY + 2 * ONE_DAY) == {}
    done = trade.resolve(made, outcome, amount)
    assert (done.status, done.outcome, done.back_minor) == ("resolved", outcome, back)
    trade.settle()
    assert trade.nets(DAY + 3 * ONE_DAY) == ({trade.grocer: -back, trade.station: back} if back else {})
    assert set(before) <= set(hashes(trade.world)), "no settled day or run changed"
    with trade.world.transaction() as session:
        assert verify.first_broken(session) is None
        report = periods.get(session, Span(DAY, trade.day - ONE_DAY))
    assert {one.partner: one.amount_minor for one in report.net_positions} == {
        "Greengrocer": -34 - back, "Fuelway": 31 + back, "The coalition": 3,
    }  # fmt: skip
    assert [(one.points, one.amount_minor) for one in report.matrix] == [(364, 346)], "what was burned was burned"


def test_a_dispute_is_not_priced_again(trade: Trade) -> None:
    trade.dispute()
    trade.settle()
    days = Span(DAY, DAY + ONE_DAY)
    with trade.world.transaction() as session:
        terms = {trade.grocer: {"redemption_price_minor": "0.5"}}
        parsed = {who: small_coalition.agreement_terms.parse(said) for who, said in terms.items()}
        found = {(one.party_id, one.kind): one for one in what_if.compare(session, days, parsed)}
        assert not any(one.difference_minor for one in what_if.compare(session, days, {}))
    one = found[trade.grocer, "dispute"]
    assert (one.settled_minor, one.calculated_minor) == (315, 315)
    assert found[trade.grocer, "redemption"].calculated_minor == -182


def test_what_has_no_lines_is_disputed_as_a_whole_also_by_the_coalition(trade: Trade) -> None:
    fee = trade.owed("fee")
    with trade.world.transaction() as session:
        fund = programme.get(session).programme_id
    with pytest.raises(LineNotFound, match="has no lines"):
        trade.dispute(1, owed=fee)
    made = trade.dispute(None, owed=fee, by=fund)
    assert (made.line, made.amount_minor, made.transaction_id, made.kind) == (None, 3, None, "fee")
    trade.answer(made, "so it was agreed", by=trade.grocer)
    trade.settle()
    assert trade.nets(DAY + ONE_DAY) == {trade.grocer: 3, fund: -3}


def test_a_line_is_disputed_once_by_whomever_and_never_again(trade: Trade) -> None:
    made = trade.dispute(1, by=trade.station)
    for party in (trade.grocer, trade.station):
        with pytest.raises(LineDisputed):
            trade.dispute(1, by=party)
    trade.resolve(made, "rejected")
    with pytest.raises(LineDisputed):
        trade.dispute(1)
    trade.dispute(2)
    trade.settle()
    with pytest.raises(NotDisputable, match="itself"):
        trade.dispute(None, owed=trade.owed("dispute", DAY + ONE_DAY))


def test_what_is_not_ones_own_is_not_there(trade: Trade) -> None:
    with pytest.raises(ObligationNotFound):
        trade.dispute(by=trade.other)
    made = trade.dispute()
    with pytest.raises(DisputeNotFound):
        trade.answer(made, "me too", by=trade.other)
    with trade.world.transaction() as session, pytest.raises(DisputeNotFound):
        dispute_records.get(session, made.dispute_id, party_id=trade.other)


@pytest.mark.parametrize("line", [None, 3, 2**31 - 1])
def test_a_line_that_is_not_there_is_refused(trade: Trade, line: int | None) -> None:
    with pytest.raises(LineNotFound):
        trade.dispute(line)


def test_a_line_of_an_open_day_is_not_there_yet(trade: Trade) -> None:
    with trade.world.transaction() as session:
        assert obligations.of_days(session, trade.day, trade.day) == []
        with pytest.raises(ObligationNotFound):
            disputes.add(
                session, act(reason="now"), party_id=trade.grocer, obligation_id=ids.new(), line=1
            )  # fmt: skip


def test_a_line_that_comes_to_nothing_has_nothing_to_dispute(world: World) -> None:
    station, grocer = (world.partner(code).partner_id for code in ("fuelway", "greengrocer"))
    agree(world, grocer, DAY, redemption_price_minor="0.1")
    member = world.member()
    world.earn(grocer, member, 10)
    world.burn(station, member, 1)
    nightly.run(world.database, act(world.keyring, now=NOW + ONE_DAY), day=DAY)
    with world.transaction() as session:
        (owed,) = obligations.of_days(session, DAY, DAY)
        assert owed.amount_minor == 0
        with pytest.raises(NotDisputable, match="no money"):
            disputes.add(session, act(reason="x"), party_id=grocer, obligation_id=owed.obligation_id, line=1)


def test_the_time_to_dispute_ends_some_days_after_the_cycle(trade: Trade, terminal) -> None:
    assert terminal("settlement", "policy", "--dispute-days", 2).exit_code == 0
    trade.settle()
    trade.dispute(1)
    trade.settle()
    with pytest.raises(DisputeTooLate, match=str(DAY + 2 * ONE_DAY)):
        trade.dispute(2)
    monthly = replaced(trade.owed(), "monthly")
    with trade.world.transaction() as session:
        assert disputes.last_day(session, monthly) == date(2026, 4, 2), "a month's statement comes at its end"


def replaced(owed: Kept, cycle: str) -> Kept:
    return Kept(**{**vars(owed), "cycle": cycle})


@pytest.mark.parametrize(
    ("outcome", "amount"),
    [("part", None), ("part", 0), ("part", 315), ("part", 316), ("part", -1), ("upheld", 1), ("rejected", 315),
     ("settled", None)],
)  # fmt: skip
def test_a_resolution_that_adds_up_to_something_else_is_refused(
    trade: Trade, outcome: str, amount: int | None
) -> None:  # fmt: skip
    made = trade.dispute()
    with pytest.raises(ResolutionRefused):
        trade.resolve(made, outcome, amount)
    assert trade.resolve(made, "part", 314).back_minor == 314


@pytest.mark.parametrize("approved_by", [None, "ann", " ANN "])
def test_where_two_people_decide_one_is_not_enough(trade: Trade, approved_by: str | None) -> None:
    made = trade.dispute()
    with pytest.raises(DisputeNeedsApproval):
        trade.resolve(made, "upheld", approved_by=approved_by)
    with trade.world.transaction() as session:
        policies.put(session, act(), policies.Policy(approvals=1))
    trade.resolve(made, "upheld", approved_by=None)


def test_a_reason_is_asked_for_and_texts_are_bounded(trade: Trade) -> None:
    made = trade.dispute()
    with pytest.raises(ReasonMissing):
        trade.resolve(made, "upheld", reason=None)
    with trade.world.transaction() as session, pytest.raises(ReasonMissing):
        disputes.add(session, act(), party_id=trade.grocer, obligation_id=ids.new(), line=1)
    for comment in ("", " ", "x" * 501, "a\nb"):
        with pytest.raises(MalformedText):
            trade.answer(made, comment)


def test_the_other_party_answers_once_while_it_is_open(trade: Trade) -> None:
    made = trade.dispute()
    with pytest.raises(OwnDispute):
        trade.answer(made, "indeed", by=trade.grocer)
    answered = trade.answer(made, "our journal has it")
    assert answered.comment == "our journal has it"
    assert trade.answer(made, " our journal has it ") == answered
    with pytest.raises(DisputeAnswered):
        trade.answer(made, "and our camera")
    other = trade.dispute(2)
    trade.resolve(other, "upheld")
    with pytest.raises(DisputeResolved):
        trade.answer(other, "too late")
    with pytest.raises(DisputeResolved):
        trade.resolve(other, "rejected")


def test_the_same_request_gets_the_same_dispute(trade: Trade) -> None:
    said = Request("k1", b"\1" * 32)
    made = trade.dispute(1, request=said)
    assert trade.dispute(1, request=said) == made
    with pytest.raises(DisputeKeyReused):
        trade.dispute(2, request=Request("k1", b"\2" * 32))
    trade.dispute(2, by=trade.station, request=said)  # a key is one partner's own


def tell(session: Session, what: str) -> list[Any]:
    rows = session.execute(
        text("""
            SELECT p.code, e.data ->> 'raised_by' AS raised_by, e.data ->> 'disputed_minor' AS disputed_minor,
                   e.data ->> 'back_minor' AS back_minor
            FROM kit.event e JOIN partners.partner p USING (partner_id) WHERE type = :type ORDER BY 1
        """),
        {"type": what},
    )
    return [tuple(row) for row in rows]


def test_both_hear_of_it(trade: Trade) -> None:
    trade.resolve(trade.dispute(), "part", 15)
    with trade.world.transaction() as session:
        assert tell(session, disputes.RAISED_EVENT) == [
            ("fuelway", "greengrocer", "315", None), ("greengrocer", "greengrocer", "315", None),
        ]  # fmt: skip
        assert tell(session, disputes.RESOLVED_EVENT) == [
            ("fuelway", "greengrocer", "315", "15"), ("greengrocer", "greengrocer", "315", "15"),
        ]  # fmt: skip


def attempt(what: Any, *args: Any, **more: Any) -> str:
    try:
        what(*args, **more)
    except CoalitionError as error:
        return error.code
    return "done"


def test_of_two_that_dispute_the_same_line_at_once_one_does(trade: Trade) -> None:
    parties = [trade.grocer, trade.station] * 3
    with ThreadPoolExecutor(len(parties)) as pool:
        found = list(pool.map(lambda by: attempt(trade.dispute, by=by), parties))
    assert Counter(found) == {"done": 1, "line_disputed": 5}
    trade.settle()
    assert trade.nets(DAY + ONE_DAY) == {trade.grocer: 315, trade.station: -315}


def test_the_same_request_sent_twice_at_once_disputes_once(trade: Trade) -> None:
    said = Request("k1", b"\1" * 32)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: trade.dispute(request=said).dispute_id, range(4)))
    assert len(found) == 1
    assert trade.world.count("settlement.entry") == 1


def test_of_two_that_resolve_it_at_once_one_does(trade: Trade) -> None:
    made = trade.dispute()
    outcomes = ["rejected", "upheld", "rejected", "upheld"]
    with ThreadPoolExecutor(len(outcomes)) as pool:
        found = list(pool.map(lambda outcome: attempt(trade.resolve, made, outcome), outcomes))
    assert Counter(found) == {"done": 1, "dispute_resolved": 3}
    with trade.world.transaction() as session:
        back = dispute_records.get(session, made.dispute_id).back_minor
    trade.settle()
    assert trade.nets(DAY + ONE_DAY).get(trade.grocer, 0) == 315 - (back or 0)


def test_a_dispute_that_meets_the_end_of_its_day_goes_with_one_day_or_the_next(trade: Trade) -> None:
    with ThreadPoolExecutor(2) as pool:
        night, raised = pool.submit(trade.settle), pool.submit(trade.dispute, 2, owed=trade.owed())
        night.result()
        made = raised.result()
    while trade.day <= made.day:
        trade.settle()
    assert trade.nets(made.day) == {trade.grocer: 31, trade.station: -31}
    with trade.world.transaction() as session:
        assert verify.first_broken(session) is None


def said_in_files(world: World, partner: UUID, language: str) -> tuple[list[dict[str, str]], list[Any], str, Any]:
    rows = [row for row in table(file(world, partner, "csv")) if row["record"] == "dispute"]
    book = openpyxl.load_workbook(io.BytesIO(file(world, partner, "xlsx", language)))
    cells = [[cell for cell in row if cell is not None] for row in book.worksheets[0].iter_rows(values_only=True)]
    reader = PdfReader(io.BytesIO(file(world, partner, "pdf", language)))
    words = " ".join(" ".join(page.extract_text().split()) for page in reader.pages)
    return rows, cells, words, json.loads(file(world, partner, "json", language))


@pytest.mark.parametrize(
    ("language", "title", "steps"),
    [("en", "Disputed lines", ("Disputed", "Owed in part")),
     ("ru", "Оспоренные строки", ("Оспорено", "Причитается частично"))],
)  # fmt: skip
def test_statements_name_the_line(world: World, monkeypatch, language: str, title: str, steps: Any) -> None:
    translation.use(CATALOGUES)
    trade = Trade(world)
    for partner in (trade.grocer, trade.station):
        assert "disputes" not in json.loads(file(world, partner, "json")), "there were none"
    made = trade.dispute()
    trade.resolve(made, "part", 115)
    trade.settle()
    monkeypatch.setattr("tests.settlement.test_files.DAY", DAY + ONE_DAY)
    for partner, sign in ((trade.grocer, 1), (trade.station, -1)):
        rows, cells, words, said = said_in_files(world, partner, language)
        shown = ids.show(ids.DISPUTE, made.dispute_id)
        named = [(row["name"], row["value"], row["reference"], row["concerns"], row["amount_minor"]) for row in rows]
        assert named == [
            ("raised", shown, "C-1", str(DAY), "-315"), ("part", shown, "C-1", str(DAY), "115"),
        ]  # fmt: skip
        assert [(one["step"], one["amount_minor"], one["reference"], one["kind"]) for one in said["disputes"]] == [
            ("raised", -315, "C-1", "redemption"), ("part", 115, "C-1", "redemption"),
        ]  # fmt: skip
        assert sum(one["amount_minor"] for one in said["disputes"]) == said["obligations"][0]["amount_minor"]
        (at,) = [n for n, row in enumerate(cells) if row == [title]]
        assert [(row[1], row[4], row[6]) for row in cells[at + 2 : at + 4]] == [
            (steps[0], "C-1", 3.15 * sign), (steps[1], "C-1", -1.15 * sign),
        ]  # fmt: skip
        assert all(each in words for each in (title, *steps, "C-1"))


def test_an_upheld_dispute_is_in_the_statement_of_its_day_though_nothing_moves(trade: Trade) -> None:
    made = trade.dispute()
    trade.settle()
    trade.resolve(made, "upheld")
    trade.settle()
    with trade.world.transaction() as session:
        run = runs.of_day(session, DAY + 2 * ONE_DAY)
        content = statements.content(session, run)
        said = statements.terms(content, trade.grocer)
        kept = runs.statement_hashes(session, run.run_id)[trade.grocer]
    assert [(one["step"], one["amount_minor"]) for one in said["disputes"]] == [("upheld", 0)]
    assert said["obligations"] == []
    assert statement_form.content_hash(said) == kept


def test_the_journal_books_it_in_the_books_of_both(trade: Trade) -> None:
    trade.resolve(trade.dispute(), "part", 115)
    trade.settle()
    with trade.world.transaction() as session:
        made = journal.read(session, DAY + ONE_DAY, DAY + ONE_DAY, accounts=accounts.DEFAULT)
    booked = {one.company: [posting.amount_minor for posting in one.postings] for one in made.entries}
    assert booked.keys() == {"greengrocer", "fuelway"}
    assert all(sum(amounts) == 0 and 200 in map(abs, amounts) for amounts in booked.values())
    assert {one.kind for one in made.entries} == {"dispute"}


steps = st.lists(
    st.tuples(st.sampled_from(["dispute", "resolve", "night"]), st.integers(0, 10**6), st.integers(0, 2)), max_size=25
)


@tried(max_examples=15, deadline=None)
@given(steps, st.lists(st.integers(1, 400), min_size=1, max_size=5))
def test_whatever_is_disputed_what_is_owed_in_the_end_is_the_lines_less_what_was_upheld(
    shared_world: World, did: list[tuple[str, int, int]], burns: list[int]
) -> None:
    world = shared_world
    with world.transaction() as session:
        day = first = programme.get(session).open_day
    noon = datetime.combine(day, time(12), UTC)
    a, b = (world.partner(f"p{secrets.token_hex(5)}", now=noon).partner_id for _ in range(2))
    for one in (a, b):
        agree(world, one, day, redemption_price_minor="0.35", fee_percent=2)
    with world.transaction() as session:
        member = members.enrol(
            session, external_id=secrets.token_hex(8), partner_id=ids.new(), now=NOW, keyring=world.keyring
        ).member_id
    for n, points in enumerate(burns):
        issuer, redeemer = ((a, b), (b, a))[n % 2]
        world.earn(issuer, member, points)
        world.burn(redeemer, member, points)

    def night() -> None:
        nonlocal day
        noon = datetime.combine(day, time(12), UTC)
        nightly.run(world.database, act(world.keyring, now=noon + ONE_DAY), day=day)
        day += ONE_DAY

    night()
    due = nets(world, first, first, {a, b})
    for what, chosen, third in did:
        noon = datetime.combine(day, time(12), UTC)
        with world.transaction() as session:
            doing = act(world.keyring, now=noon, reason="so", **TWO)
            if what == "dispute" and (line := some_line(session, first, {a, b}, chosen)):
                disputes.add(session, doing, **line, party_id=(a, b)[third % 2])
            elif what == "resolve":
                mine = [one for one in dispute_records.newest(session, before=ids.new(), limit=100, party_id=a)
                        if one.status == "open"]  # fmt: skip
                if mine:
                    one, outcome = mine[chosen % len(mine)], disputes.OUTCOMES[third]
                    part = one.amount_minor // 2
                    outcome = outcome if outcome != "part" or part else "upheld"
                    disputes.resolve(
                        session, doing, dispute_id=one.dispute_id, outcome=outcome,
                        amount_minor=part if outcome == "part" else None,
                    )  # fmt: skip
        if what == "night":
            night()
    night()
    with world.transaction() as session:
        for one in dispute_records.newest(session, before=ids.new(), limit=100, party_id=a):
            gone = one.amount_minor - (one.back_minor or 0)
            due[one.payer_id] += gone
            due[one.payee_id] -= gone
        assert verify.first_broken(session) is None
    assert nets(world, first, day - ONE_DAY, {a, b}) == due
    assert sum(due[one] for one in due) == 0


def some_line(session: Session, day: date, parties: set[UUID], chosen: int) -> dict[str, Any] | None:
    """A line between the two that nobody has disputed and that has money in it."""
    rows = session.execute(
        text("""
            SELECT o.obligation_id, l.n FROM settlement.obligation o JOIN settlement.line l USING (obligation_id)
            WHERE o.day = :day AND o.payer_id = ANY(:two) AND o.payee_id = ANY(:two) AND l.amount_minor <> 0
              AND NOT EXISTS (SELECT FROM settlement.dispute d WHERE d.obligation_id = o.obligation_id AND d.n = l.n)
            ORDER BY 1, 2
        """),
        {"day": day, "two": list(parties)},
    ).all()
    if not rows:
        return None
    obligation_id, line = rows[chosen % len(rows)]
    return {"obligation_id": obligation_id, "line": line}


def nets(world: World, first: date, last: date, parties: set[UUID]) -> Counter[UUID]:
    """What each party receives in all, the fund too, of what the two have to do with; the minimum of 0 is left in."""
    found: Counter[UUID] = Counter(dict.fromkeys(parties, 0))
    with world.transaction() as session:
        for one in obligations.of_days(session, first, last):
            if {one.payer_id, one.payee_id} & parties:
                found[one.payee_id] += one.amount_minor
                found[one.payer_id] -= one.amount_minor
    return found


def test_the_terminal_lists_shows_raises_and_resolves(trade: Trade, terminal) -> None:
    obligation = ids.show(ids.OBLIGATION, trade.owed().obligation_id)
    with trade.world.transaction() as session:
        policies.put(session, act(), policies.Policy(dispute_days=policies.MOST_DISPUTE_DAYS))
    said = ("--reason", "paid in cash", "--by", "ann")
    raised = terminal(
        "settlement", "dispute", "raise", obligation, "--line", 2, "--partner", "fuelway", *said, "--json"
    )
    assert raised.exit_code == 0, raised.output
    made = json.loads(raised.output)
    assert (made["amount_minor"], made["raised_by"], made["status"]) == (31, "fuelway", "open")
    found = terminal("settlement", "disputes", "--partner", "greengrocer").output
    assert (made["dispute_id"] in found, "0.31" in found) == (True, True)
    dispute = ("settlement", "dispute")
    assert (
        "is answered" in terminal(*dispute, "answer", made["dispute_id"], "we paid", "--partner", "greengrocer").output
    )
    one = terminal(*dispute, "resolve", made["dispute_id"], "--outcome", "upheld", "--reason", "so", "--by", "ann")
    assert (one.exit_code, "(dispute_needs_approval)" in one.output) == (1, True)
    two = ("--approved-by", "ben")
    done = terminal(
        *dispute, "resolve", made["dispute_id"], "--outcome", "upheld", "--reason", "so", "--by", "ann", *two
    )
    assert "upheld: 0.00" in done.output
    shown = terminal(*dispute, "show", made["dispute_id"]).output
    assert all(each in shown for each in ("we paid", "upheld", "C-2"))
    assert terminal("settlement", "disputes").output.strip() == "there are none yet"
    assert made["dispute_id"] in terminal("settlement", "disputes", "--all").output


def test_the_page_is_followed_word_by_word(trade: Trade, terminal) -> None:
    run_id, obligation_id = "", ids.show(ids.OBLIGATION, trade.owed().obligation_id)
    with trade.world.transaction() as session:
        run_id = ids.show(ids.SETTLEMENT_RUN, runs.of_day(session, DAY).run_id)
        policies.put(session, act(), policies.Policy(dispute_days=policies.MOST_DISPUTE_DAYS))
    page = (ROOT / "docs/how-to/dispute-a-line.md").read_text("utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    said = "".join(blocks).replace("\\\n", " ").splitlines()
    assert len(said) == 9
    dispute_id, outputs = "", []
    for line in said:
        line = line.replace("RUN_ID", run_id).replace("OBLIGATION_ID", obligation_id).replace("DISPUTE_ID", dispute_id)
        program, *words = shlex.split(line)
        assert program == ".venv/bin/coalition"
        done = terminal(*words)
        assert done.exit_code == 0, f"{line}: {done.output}"
        if found := re.search(r"dsp_[0-9a-z]{26}", done.output):
            dispute_id = found[0]
        outputs.append(done.output)
    assert "3.15 GBP leave the net" in outputs[3]
    assert "part: 1.15 GBP come back" in outputs[7]
    codes = set(re.findall(r"^\| `([a-z_]+)` \|", page.partition("| refused with")[2], re.MULTILINE))
    known = {one.code for module in (disputes, dispute_records) for one in vars(module).values()
             if isinstance(one, type) and issubclass(one, CoalitionError) and "code" in vars(one)
             and one.__module__ in ("settlement.disputes", "settlement.dispute_records")}  # fmt: skip
    assert codes == known | {ObligationNotFound.code}
