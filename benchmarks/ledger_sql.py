"""earn_db and burn_db: the ledger's functions, called as the service does, against pgbench's TPC-B-like."""

from __future__ import annotations

from uuid import UUID

from benchmarks import stock
from benchmarks.figures import Figure, Run
from benchmarks.ground import BenchmarkError, Books, Ground, tell
from benchmarks.pgbench import NAME, Rate, Tpcb, run_script
from benchmarks.stock import MEMBERS, PARTNERS, Wallets
from kit import clock

# Lots of 100 points, burns of 10 to 200: each takes 1 to 3 of them, 2 on average.
BURN_LEAST, BURN_MOST = 10, 200
EXPECTED_BURNS_PER_S = 10_000
UUIDV7_SINCE = 180_000


def earn(ground: Ground, tpcb: Tpcb) -> Figure:
    """Earns over 10,000 members, in transactions of one statement each."""
    with ground.new_books("earn", now=clock.now()) as books:
        partners = stock.make_partners(books, count=PARTNERS, now=clock.now())
        stock.make_wallets(books, partners, Wallets(clock.now().date(), clock.now()))
        script = _script(books, partners, "ledger_earn", "earn", (1, 500))
        runs = _measure(ground, books, tpcb, script)
        _check(books, "earn", runs)
    return Figure("earn_db", "earns in the database", NAME, [run for run, _ in runs])


def burn(ground: Ground, tpcb: Tpcb) -> Figure:
    """Burns that take 1 to 3 lots of wallets with many."""
    lots = lots_for(EXPECTED_BURNS_PER_S * ground.seconds * ground.runs)
    with ground.new_books("burn", now=clock.now()) as books:
        partners = stock.make_partners(books, count=PARTNERS, now=clock.now())
        tell(f"stocking {MEMBERS:,} wallets with {lots} lots each")
        stock.make_wallets(books, partners, Wallets(clock.now().date(), clock.now(), lots=lots, with_reserve=True))
        script = _script(books, partners, "ledger_burn", "burn", (BURN_LEAST, BURN_MOST))
        runs = _measure(ground, books, tpcb, script)
        _check(books, "burn", runs)
        mean = lots_per_burn(books)
    return Figure("burn_db", f"burns over 1 to 3 lots, mean {mean:.2f}", NAME, [run for run, _ in runs])


def lots_for(burns: int) -> int:
    """How many lots each wallet needs for that many burns in all, so that hardly any comes to its reserve."""
    points = burns / MEMBERS * (BURN_LEAST + BURN_MOST) / 2
    return int(1.6 * points / stock.LOT_POINTS) + 12


def lots_per_burn(books: Books) -> float:
    """How many lots a burn took on average; raises BenchmarkError when one took more than three."""
    with books.owner() as owner:
        row = owner.execute(
            "SELECT count(*)::float / count(DISTINCT txn_id), max(seq) FROM coalition.posting "
            "WHERE credit = 'redemption'"
        ).fetchone()
    if row is None or row[1] is None or row[1] > 3:
        raise BenchmarkError(f"burns took other numbers of lots than 1 to 3: {row}")
    return float(row[0])


def _script(books: Books, partners: list[UUID], function: str, kind: str, points: tuple[int, int]) -> str:
    with books.owner() as owner:
        new_id = "uuidv7()" if owner.info.server_version >= UUIDV7_SINCE else "gen_random_uuid()"
    codes = ", ".join(f"'{partner}'" for partner in partners)
    # A partner's keys are random, its receipts ascend, the service's own ids are ordered by time.
    return f"""\\set m random(1, {MEMBERS})
\\set p random(1, {len(partners)})
\\set points random({points[0]}, {points[1]})
SELECT o.replayed, o.refusal, o.detail, (o.txn).* FROM coalition.{function}(ROW(
    '{kind}', (ARRAY[{codes}]::uuid[])[:p], gen_random_uuid()::text, sha256(uuid_send(gen_random_uuid())),
    {new_id}, {new_id}, now(), {stock.sql_id(0, ":m::bigint")}, NULL, {new_id}::text, :points, NULL, NULL, NULL, NULL,
    NULL)::coalition.request) o;
"""


def _measure(ground: Ground, books: Books, tpcb: Tpcb, script: str) -> list[tuple[Run, Rate]]:
    runs = []
    for _ in range(ground.runs):
        reference = tpcb.run()
        rate = run_script(books.url, script, folder=ground.folder, seconds=ground.seconds)
        tell(f"  measured    {rate.per_second:>9,.0f} transactions/s")
        runs.append((Run(rate.per_second, 1, reference.per_second, 1), rate))
    return runs


def _check(books: Books, kind: str, runs: list[tuple[Run, Rate]]) -> None:
    expected = sum(rate.transactions for _, rate in runs)
    with books.owner() as owner:
        row = owner.execute(
            "SELECT (SELECT count(*) FROM coalition.txn WHERE kind = %s::coalition.txn_kind "
            "        AND reference NOT LIKE 'stock-%%'), "
            "       (SELECT count(*) FROM kit.event), "
            "       (SELECT count(*) FROM coalition.idempotency WHERE refusal IS NOT NULL)",
            [kind],
        ).fetchone()
    if row is None or row[2] != 0 or row[0] != row[1] or row[0] < expected:
        raise BenchmarkError(f"pgbench counted {expected} postings; posted, events, refused: {row}")
