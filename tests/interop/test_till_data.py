"""Two weeks of till receipts, settled under each way of funding, and computed again by DuckDB from the exported lines.

DuckDB sees the CSV files of the statements and nothing else. What it finds (tests/interop/recomputed.sql) has to be
what the statements say, to the cent: each line, each obligation, each net.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from kit import ids
from kit.settings import Settings
from settlement import runs, statements
from settlement.files import document, formats
from settlement.files.formats import Order
from tests.conftest import World, found
from tests.interop import till_data
from tests.interop.till_data import BEGUN, Till

SQL = Path(__file__).with_name("recomputed.sql")
ON_BURN: dict[str, dict[str, Any]] = {
    "fuelway": {"redemption_price_minor": "0.9", "fee_per_point_minor": "0.02", "fee_percent": "1.5"},
    "greengrocer": {"redemption_price_minor": "0.85", "fee_percent": "2.25", "vat_percent": "20"},
    "homewares": {"redemption_price_minor": "0.33333333", "fee_per_point_minor": "0.125", "vat_percent": "8.1"},
    "pagebound": {"redemption_price_minor": "0.95", "fee_minimum_minor": 2500, "vat_percent": "20"},
    "pharmaplus": {"redemption_price_minor": "0.12345678"},
}
ON_EARN: dict[str, dict[str, Any]] = {
    code: {"funding": "on_earn", **terms}
    for code, terms in {
        "fuelway": {"redemption_price_minor": "0.9", "issue_price_minor": "1", "breakage_share_percent": "50"},
        "greengrocer": {"redemption_price_minor": "0.85", "issue_price_minor": "0.97", "fee_percent": "1.75",
                        "vat_percent": "20"},
        "homewares": {"redemption_price_minor": "0.33333333", "issue_price_minor": "0.66666667",
                      "breakage_share_percent": "33.3"},
        "pagebound": {"redemption_price_minor": "0.95", "issue_price_minor": "1.0125", "fee_per_point_minor": "0.07",
                      "fee_minimum_minor": 4000, "vat_percent": "19"},
        "pharmaplus": {"redemption_price_minor": "0.5", "issue_price_minor": "0.6", "breakage_share_percent": "12.5",
                       "cycle": "monthly"},
    }.items()
}  # fmt: skip
MIXED = {
    "fuelway": ON_BURN["fuelway"] | {"cycle": "weekly"},
    "greengrocer": ON_EARN["greengrocer"] | {"cycle": "weekly", "breakage_share_percent": "40"},
    "homewares": ON_BURN["homewares"],
    "pagebound": ON_EARN["pagebound"] | {"cycle": "monthly"},
    "pharmaplus": ON_EARN["pharmaplus"] | {"currency": "EUR"},
}
CHANGES = {
    date(2010, 12, 7): ("fuelway", ON_EARN["fuelway"] | {"fee_percent": "0.5"}),
    date(2010, 12, 9): ("greengrocer", {"redemption_price_minor": "0.8", "issue_price_minor": "0.9"}),
}
MODELS = {"on_burn": (ON_BURN, {}), "on_earn": (ON_EARN, {}), "mixed": (MIXED, CHANGES)}
Obligation = tuple[str, ...]


@pytest.fixture(params=MODELS, scope="module")
def settled(
    request: pytest.FixtureRequest,
    engines: Settings,
    fresh_database: Callable[[], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The folder of the statements' CSV files, and what the statements say."""
    folder = tmp_path_factory.mktemp(request.param)
    world = found(engines, fresh_database(), folder, time_zone="Europe/London", now=BEGUN)
    terms, changes = MODELS[request.param]
    receipts = till_data.receipts()
    brands = {one.brand for one in receipts}
    till = Till(world, {code: said for code, said in terms.items() if code in brands})
    till.trade(receipts, changes=changes)
    yield folder, export(world, folder)
    world.database.close()


def export(world: World, folder: Path) -> dict[str, Any]:
    """Write the CSV of each statement; what the statements say: obligations, and nets by run, party and currency."""
    obligations: set[Obligation] = set()
    nets: dict[tuple[str, str, str], int] = {}
    with world.database.reading() as session:
        calculated = [one for one in runs.newest(session, limit=200) if one.content_hash]
        for run in calculated:
            run_id = ids.show(ids.SETTLEMENT_RUN, run.run_id)
            content = statements.content(session, run)
            for position in runs.positions(session, run.run_id):
                nets[run_id, content.parties[position.party_id].code, position.currency] = position.amount_minor
            for partner in statements.recipients(session, content):
                kept = statements.kept_of(session, run.run_id, partner.partner_id)
                made = document.make(session, kept, run, document.frame(session, kept, run))
                out = io.BytesIO()
                formats.write(session, made, Order("csv"), out)
                (folder / f"{made.file_name}_{run.cycle}.csv").write_bytes(out.getvalue())
                for one in statements.terms(made.content, partner.partner_id)["obligations"]:
                    names = ("day", "payer", "payee", "kind", "currency", "agreement_version", "points", "amount_minor")
                    obligations.add((run_id, *(str(one[name]) for name in names)))
    return {"obligations": obligations, "nets": nets}


def recompute(folder: Path, *, changed: str = "") -> duckdb.DuckDBPyConnection:
    """A database in memory with the tables of recomputed.sql; `changed` is done to what the files say before."""
    books = duckdb.connect()
    books.execute(
        "CREATE TABLE said AS SELECT * FROM read_csv($files, all_varchar => true, header => true, filename => true)",
        {"files": str(folder / "*.csv")},
    )
    books.execute(changed + SQL.read_text("utf-8"))
    return books


def test_the_files_alone_give_every_obligation_and_net_to_the_cent(settled) -> None:
    folder, said = settled
    books = recompute(folder)
    rows = books.execute("""
        SELECT run_id, day, payer, payee, kind, currency, coalesce(agreement_version, 'None'), points, amount_minor
        FROM obligation
    """).fetchall()
    assert len(rows) == len(said["obligations"]) == len({tuple(map(str, row)) for row in rows})
    assert {tuple(map(str, row)) for row in rows} == said["obligations"]
    nets = {(run_id, party, currency): amount for run_id, party, currency, amount in books.execute(
        "SELECT run_id, party, currency, amount_minor FROM net").fetchall()}  # fmt: skip
    assert {key: amount for key, amount in nets.items() if amount} == {
        key: amount for key, amount in said["nets"].items() if amount
    }
    own = books.execute("""
        SELECT count(*), count(*) FILTER (WHERE n.amount_minor IS NOT DISTINCT FROM p.amount_minor::HUGEINT)
        FROM said p JOIN statement s USING (filename)
        LEFT JOIN net n ON (n.run_id, n.party, n.currency) = (s.run_id, s.partner, p.currency)
        WHERE p.record = 'position' AND p.name = 'net' AND p.amount_minor <> '0'
    """).fetchone()
    assert own
    assert own[0] == own[1] > 0


def test_the_files_alone_give_every_line_to_the_cent(settled) -> None:
    folder, _ = settled
    books = recompute(folder)
    wrong = books.execute("SELECT * FROM shared WHERE said <> computed").fetchall()
    assert wrong == []
    twice = books.execute(
        "SELECT 1 FROM line GROUP BY obligation_id, transaction_id, seq HAVING count(*) > 1"
    ).fetchall()
    assert twice == [], "both parties' statements say the same of a line"
    (lines,) = books.execute("SELECT count(*) FROM shared").fetchone() or (0,)
    assert lines > 1_000


def test_a_price_that_was_changed_in_the_files_is_noticed(settled) -> None:
    folder, said = settled
    dearer = "UPDATE said SET price_minor = ((price_minor::DECIMAL(18, 8) * 1.01)::DECIMAL(18, 8))::VARCHAR"
    books = recompute(folder, changed=f"{dearer} WHERE kind = 'redemption';")
    assert books.execute("SELECT count(*) FROM shared WHERE said <> computed").fetchone() != (0,)
    amounts = sum(amount for (amount,) in books.execute("SELECT amount_minor FROM obligation").fetchall())
    assert amounts > sum(int(one[-1]) for one in said["obligations"])
