"""Random days settled on the cluster come to what they come to on one node, by name: no id is the same on both."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from coalition import verify as ledger_verify
from kit import schema
from kit.settings import Settings
from settlement import cycles, nightly, obligations, runs, statements
from settlement import verify as settlement_verify
from settlement.cycles import Span
from settlement.reconciliation import mappings, reconciliations
from settlement.reconciliation.passes import Tolerance
from tests.cluster import Cluster
from tests.conftest import World, act, found
from tests.settlement.months import Month
from tests.settlement.plain import Plain
from tests.settlement.test_random_months import check_runs, kept, shown

FIRST, LAST = date(2026, 3, 26), date(2026, 4, 1)  # a week ends in it, and a month
SEED = 8
Books = dict[str, Counter[tuple[Any, ...]]]


@pytest.fixture
def worlds(engines: Settings, cluster: Cluster, tmp_path: Path) -> Iterator[list[World]]:
    """A coalition on the cluster, and one in a database of the same server that is not distributed."""
    alone = cluster.empty()
    schema.migrate(alone)
    made = []
    for url in (cluster.distributed(), alone):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(found(engines, url, folder, now=datetime(2026, 3, 26, tzinfo=UTC)))
    yield made
    for world in made:
        world.database.close()
        cluster.drop(str(world.settings.database_url))


def test_they_give_the_same_obligations_lines_nets_payments_and_statements(worlds: list[World]) -> None:
    there, here = map(settled, worlds)
    assert there == here
    assert {kind for kind, *_ in there["breaks"]} == {"missing_here", "missing_there"}
    assert len({kind for _, _, _, kind, *_ in there["obligations"]}) >= 7, "the days have to try something"
    assert {cycle for cycle, *_ in there["payments"]} == set(cycles.CYCLES)


def settled(world: World) -> Books:
    """What the days come to, which is what the plain calculation says, and stays so when they are settled again."""
    month = Month(world, SEED)
    changes = {FIRST + timedelta(days=n): n % 4 for n in (1, 3, 5)}
    month.trade(LAST, late_agreement=FIRST + timedelta(days=3), changes=changes)
    plain = Plain(str(world.settings.database_url))
    owed = plain.owed()
    assert shown(kept(world)) == shown(owed)
    assert check_runs(world, plain, owed) == set(cycles.CYCLES)
    nightly.run(world.database, act(world.keyring, now=month.noon()), day=LAST)
    with world.transaction() as session:
        assert settlement_verify.first_broken(session) is None
        assert [one for one in ledger_verify.run(session, keyring=world.keyring) if one.broken] == []
    return {**books(world), "breaks": breaks(world, month)}


def breaks(world: World, month: Month) -> Counter[tuple[Any, ...]]:
    """How a partner's file with a line that was never posted differs from what it posted."""
    said = {
        "fields": {"reference": "R", "day": "D", "points": "P", "kind": "K"},
        "kinds": {one: one for one in ("earn", "burn", "reversal", "clawback")},
    }
    with world.transaction() as session:
        partner_id, acted = month.partners[0], act(world.keyring, now=month.noon(), reason="so")
        mappings.put(session, acted, partner_id=partner_id, said=said)
        file = f"R,D,P,K\nnobody's,{FIRST},5,earn\n".encode()
        reconciliations.reconcile(
            session, acted, io.BytesIO(file), partner_id=partner_id, span=Span(FIRST, LAST), tolerance=Tolerance()
        )
        rows = session.execute(text("SELECT type, reference, day, points FROM settlement.reconciliation_break"))
        return Counter(tuple(row) for row in rows)


def books(world: World) -> Books:
    said: Books = {name: Counter() for name in ("obligations", "lines", "nets", "payments", "statements")}
    with world.transaction() as session:
        name = {party_id: one.code for party_id, one in statements.parties(session).items()}
        for one in obligations.of_days(session, FIRST, LAST):
            key = (one.day, name[one.payer_id], name[one.payee_id], one.kind, one.currency)
            said["obligations"][*key, one.cycle, one.points, one.amount_minor] += 1
            for line in statements.lines(session, one):
                about = (line.posted_on, line.issued_on, line.concerns, line.reference)
                said["lines"][*key, *about, line.points, line.amount_minor] += 1
        for run in runs.newest(session, limit=100):
            if run.content_hash is None:
                continue
            place = (run.cycle, run.first_day)
            for net in runs.positions(session, run.run_id):
                said["nets"][*place, name[net.party_id], net.currency, net.opening_minor, net.amount_minor] += 1
            for paid in runs.payments(session, run.run_id):
                parties = (name[paid.payer_id], name[paid.payee_id])
                said["payments"][*place, *parties, paid.currency, paid.amount_minor] += 1
            said["statements"].update((*place, name[partner]) for partner in runs.statement_hashes(session, run.run_id))
    return said
