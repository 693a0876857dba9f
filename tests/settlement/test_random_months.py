"""Random months, settled day by day, against the plain calculation: to the cent, to the line, and to the run."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta

import pytest
from sqlalchemy import text

from settlement import cycles, obligations, policies, runs, verify
from tests.conftest import NOW, World, act
from tests.settlement.months import Month
from tests.settlement.plain import Amount, Owed, Plain

DAY = NOW.date()  # a Monday, the 2nd: March begins in its middle
MARCH_ENDS = date(2026, 3, 31)


def kept(world: World) -> dict[Owed, Amount]:
    """What the product has written down, in the shape of the plain calculation."""
    found = {}
    with world.transaction() as session:
        lines = defaultdict(list)
        for row in session.execute(
            text("""
                SELECT obligation_id, issued_on, posted_on, txn_id, seq, points, amount_minor FROM settlement.line
                ORDER BY obligation_id, n
            """)
        ):
            lines[row.obligation_id].append(((row.issued_on, row.posted_on, row.txn_id, row.seq), row[5], row[6]))
        for one in obligations.of_days(session, date.min, date.max):
            key = Owed(one.day, one.payer_id, one.payee_id, one.kind, one.agreement_id, one.currency)
            found[key] = Amount(one.points, one.amount_minor, one.cycle, lines=lines[one.obligation_id])
    return found


def shown(owed: dict[Owed, Amount]) -> dict[Owed, tuple[object, ...]]:
    return {key: (one.points, one.minor, one.cycle, one.lines) for key, one in owed.items()}


def check_runs(world: World, plain: Plain, owed: dict[Owed, Amount]) -> set[str]:
    """Each calculated run has the plain positions, they add up to zero, and its payments settle them."""
    seen = set()
    with world.transaction() as session:
        for run in runs.newest(session, limit=500):
            if run.content_hash is None:
                continue
            seen.add(run.cycle)
            found = {(one.party_id, one.currency): one.amount_minor for one in runs.positions(session, run.run_id)}
            due = plain.positions(owed, run.cycle, run.first_day, run.last_day)
            assert {key: amount for key, amount in found.items() if amount} == {k: v for k, v in due.items() if v}
            left = Counter(found)
            for paid in runs.payments(session, run.run_id):
                left[paid.payer_id, paid.currency] += paid.amount_minor
                left[paid.payee_id, paid.currency] -= paid.amount_minor
            assert not any(left.values())
            for currency in {of for _, of in found}:
                assert sum(amount for (_, of), amount in found.items() if of == currency) == 0
    return seen


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_month_comes_out_as_the_plain_calculation_says(world: World, seed: int) -> None:
    month = Month(world, seed)
    with world.transaction() as session:  # by turns directly and through the coalition
        policies.put(session, act(), policies.Policy(netting=policies.NETTINGS[seed % 2]))
    month.trade(
        MARCH_ENDS,
        late_agreement=DAY + timedelta(days=4 + 5 * seed),
        changes={DAY + timedelta(days=n): n % 4 for n in (3, 9, 10, 15, 20)},
    )
    plain = Plain(str(world.settings.database_url))
    owed = plain.owed()
    assert len({key.kind for key in owed}) >= 7, "the month has to try something"
    assert shown(kept(world)) == shown(owed)
    assert len(plain.disputes) >= 5, "the month has to try something"
    for one in plain.disputes:
        assert one["amount_minor"] == plain.disputed(owed, one)
    assert check_runs(world, plain, owed) == set(cycles.CYCLES)
    with world.transaction() as session:
        assert verify.first_broken(session) is None
