"""What belongs together and what differs, of random ledgers and files, as the plain matching says."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from kit import ids
from kit.db import Database, Session
from kit.pairwise import view_of
from settlement.cycles import Span
from settlement.reconciliation import mappings, reconciliations
from settlement.reconciliation.passes import Tolerance
from tests.conftest import NOW, World, act
from tests.settlement.reconciliation.plain import Plain, Row

FIRST, LAST = date(2026, 3, 10), date(2026, 3, 12)
MERGED, INTO = 2, 0
KINDS = {"earn": "earn", "burn": "burn", "capture": "burn", "reversal": "reversal", "clawback": "clawback"}
MAPPING: dict[str, Any] = {
    "fields": {
        "reference": "Receipt", "day": "Day", "kind": "Type", "points": "Points", "amount": "Total", "member": "Member",
    },
    "constants": {"currency": "GBP"},
    "amounts_in": "minor",
}  # fmt: skip
days = st.sampled_from([-8, -7, -1, 0, 0, 1, 1, 2, 3, 9, 10]).map(lambda n: FIRST + timedelta(days=n))
references = st.sampled_from(["A", "B", "C", "D", "E", "F"])
amounts = st.sampled_from([None, 100, 200])
posted = st.tuples(
    st.sampled_from(sorted(KINDS)), references, days, st.integers(1, 4), amounts, st.integers(0, 2)
)  # fmt: skip
written = st.tuples(
    st.sampled_from(sorted(set(KINDS.values()))), st.none() | references, days, st.integers(1, 4), amounts,
    st.sampled_from([None, 0, 1, 2, "nobody"]),
).filter(lambda line: line[1] is not None or line[5] is not None)  # fmt: skip


@pytest.fixture(scope="module")
def owner(shared_world: World) -> Iterator[Database]:
    """Who may write down what nobody posted."""
    made = Database(str(shared_world.settings.database_url), owner=True)
    yield made
    made.close()


def some_members(session: Session) -> list[UUID]:
    made = [ids.new() for _ in range(3)]
    for member_id in made:
        session.execute(
            text("INSERT INTO coalition.member (member_id, enrolled_by, enrolled_at) VALUES (:m, :m, now())"),
            {"m": member_id},
        )
    for n, member_id in enumerate(made):
        session.execute(
            text("INSERT INTO coalition.wallet (member_id, state, merged_into) VALUES (:m, :state, :into)"),
            {
                "m": member_id,
                "state": "merged" if n == MERGED else "open",
                "into": made[INTO] if n == MERGED else None,
            },
        )
    return made


def post(session: Session, partner_id: UUID, rows: list[Any], members: list[UUID]) -> dict[UUID, int]:
    """The transactions in the ledger, as if they had been posted; their numbers by their ids."""
    numbers = {}
    for n, (kind, reference, day, points, amount, member) in enumerate(rows, start=1):
        txn_id = ids.new()
        numbers[txn_id] = n
        shortfall = 1 if kind == "clawback" and points > 1 else 0
        session.execute(
            text("""
                INSERT INTO coalition.txn (member_id, member_seq, txn_id, kind, partner_id, points, shortfall,
                    available_after, reference, reverses_txn_id, amount_minor, currency, effective_at, booked_at,
                    business_date, original_business_date)
                VALUES (:member, :n, :txn, :kind, :partner, :points, :shortfall, 0, :reference, gen_random_uuid(),
                    :amount, :currency, now(), now(), :day, :day)
            """),
            {
                "member": members[member], "n": n, "txn": txn_id, "kind": kind, "partner": partner_id,
                "points": points - shortfall, "shortfall": shortfall, "reference": reference, "amount": amount,
                "currency": amount and "GBP", "day": day,
            },
        )  # fmt: skip
    return numbers


def file_of(lines: list[Any], shown: dict[Any, str]) -> io.BytesIO:
    head = "Receipt,Day,Type,Points,Total,Member"
    rows = [
        f"{reference or ''},{day},{kind},{points},{'' if amount is None else amount},{shown[member]}"
        for kind, reference, day, points, amount, member in lines
    ]
    return io.BytesIO("\n".join([head, *rows]).encode())


def plain_of(ours: list[Any], theirs: list[Any]) -> Plain:
    def living(member: Any) -> Any:
        return None if member in (None, "nobody") else f"m{INTO if member == MERGED else member}"

    around = timedelta(days=7)
    return Plain(
        [
            Row(n, KINDS[kind], reference, day, points, amount, living(member))
            for n, (kind, reference, day, points, amount, member) in enumerate(ours, start=1)
            if FIRST - around <= day <= LAST + around
        ],
        [
            Row(n, kind, reference, day, points, amount, living(member), member == "nobody")
            for n, (kind, reference, day, points, amount, member) in enumerate(theirs, start=2)
            if FIRST - around <= day <= LAST + around
        ],
    )


def stand(session: Session, numbers: dict[UUID, int]) -> Counter[Any]:
    rows = session.execute(
        text("""
            SELECT type, transaction_id, line, difference FROM settlement.reconciliation_break WHERE state = 'open'
        """)
    )
    return Counter((row[0], numbers[row[1]] if row[1] else None, row[2], row[3]) for row in rows)


codes = count()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    ours=st.lists(posted, max_size=14), theirs=st.lists(written, max_size=14), later=st.lists(written, max_size=10),
    tolerance=st.builds(Tolerance, st.integers(0, 3), st.integers(0, 3)),
)  # fmt: skip
def test_what_differs_is_what_the_plain_matching_leaves(
    shared_world: World, owner: Database, ours: list[Any], theirs: list[Any], later: list[Any], tolerance: Tolerance
) -> None:
    partner_id = shared_world.partner(f"p{next(codes)}").partner_id
    said = act(shared_world.keyring, reason="agreed")
    with owner.trial() as session:
        members = some_members(session)
        view = view_of(shared_world.keyring, partner_id)
        shown: dict[Any, str] = {None: "", "nobody": "mbr_nobody"}
        with ids.seen_by(view):
            shown |= {n: ids.show(ids.MEMBER, member_id) for n, member_id in enumerate(members)}
        numbers = post(session, partner_id, ours, members)
        mappings.put(session, said, partner_id=partner_id, said=MAPPING)

        def compare(lines: list[Any], now: timedelta) -> reconciliations.Reconciled:
            done = reconciliations.reconcile(
                session, act(shared_world.keyring, now=NOW + now), file_of(lines, shown), partner_id=partner_id,
                span=Span(FIRST, LAST), tolerance=tolerance,
            )  # fmt: skip
            plain = plain_of(ours, lines).match(tolerance.days, tolerance.points)
            assert stand(session, numbers) == plain.breaks(FIRST, LAST)
            assert done.reconciliation.breaks == plain.breaks(FIRST, LAST).total()
            assert session.scalar(text("SELECT count(*) FROM settlement.compared_row")) == 0
            return done

        first = compare(theirs, timedelta())
        kept = known(session)
        again = compare(theirs, timedelta(hours=1))
        assert (again.is_new, again.new, again.gone) == (False, 0, 0)
        assert known(session) == kept, "the same file makes nothing twice"
        other = compare(later, timedelta(hours=2))
        there = known(session)
        assert kept.items() <= there.items(), "what was known keeps its id and its age"
        assert other.new == len(there) - len(kept)
        back = compare(theirs, timedelta(hours=3))
        assert known(session) == there
        assert back.reconciliation.reconciliation_id == first.reconciliation.reconciliation_id


def known(session: Session) -> dict[UUID, Any]:
    rows = session.execute(text("SELECT break_id, key, first_seen_at FROM settlement.reconciliation_break"))
    return {row[0]: tuple(row[1:]) for row in rows}
