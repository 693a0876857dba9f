"""earn_db, burn_db and hold_db: the ledger's functions, called as the service does, against pgbench's TPC-B-like."""

from __future__ import annotations

from uuid import UUID

from benchmarks import fixtures
from benchmarks.figures import Figure, Run
from benchmarks.fixtures import MEMBERS, PARTNERS, Wallets
from benchmarks.harness import BenchmarkError, Books, Harness, report
from benchmarks.pgbench import CLIENTS, NAME, Rate, Tpcb, run_script
from kit import clock

# Lots of 100 points, burns of 10 to 200: each takes 1 to 3 of them, 2 on average.
SPENT = BURN_LEAST, BURN_MOST = 10, 200
EARNED = 1, 500
EXPECTED_BURNS_PER_S = 10_000
UUIDV7_SINCE = 180_000

Measured = list[tuple[Run, Rate]]


def earn(harness: Harness, tpcb: Tpcb) -> Figure:
    """Earns over 10,000 members, in transactions of one statement each."""
    with harness.new_books("earn", now=clock.now()) as books:
        partners = fixtures.make_partners(books, count=PARTNERS, now=clock.now())
        fixtures.make_wallets(books, partners, Wallets(clock.now().date(), clock.now()))
        runs = measure(harness, books, tpcb, earn_script(books, partners))
        check(books, "earn", posted_in(runs))
    return Figure("earn_db", "earns in the database", NAME, [run for run, _ in runs])


def burn(harness: Harness, tpcb: Tpcb) -> Figure:
    """Burns that take 1 to 3 lots of wallets with many."""
    runs, mean = _spend(harness, tpcb, "burn", "redemption")
    return Figure("burn_db", f"burns over 1 to 3 lots, mean {mean:.2f}", NAME, runs)


def hold(harness: Harness, tpcb: Tpcb) -> Figure:
    """Holds of an hour that set aside points of 1 to 3 lots of wallets with many."""
    runs, mean = _spend(harness, tpcb, "hold", "hold")
    return Figure("hold_db", f"holds over 1 to 3 lots, mean {mean:.2f}", NAME, runs)


def _spend(harness: Harness, tpcb: Tpcb, kind: str, credit: str) -> tuple[list[Run], float]:
    """The runs of burns or holds, and how many lots each took on average."""
    lots = lots_for(EXPECTED_BURNS_PER_S * harness.seconds * harness.runs)
    with harness.new_books(kind, now=clock.now()) as books:
        partners = fixtures.make_partners(books, count=PARTNERS, now=clock.now())
        report(f"stocking {MEMBERS:,} wallets with {lots} lots each")
        fixtures.make_wallets(books, partners, Wallets(clock.now().date(), clock.now(), lots=lots, with_reserve=True))
        due_at = "now() + interval '1 hour'" if kind == "hold" else "NULL"
        runs = measure(harness, books, tpcb, _script(books, partners, "ledger_burn", kind, MEMBERS, SPENT, due_at))
        check(books, kind, posted_in(runs))
        if kind == "hold":
            check_held(books)
        return [run for run, _ in runs], lots_per_transaction(books, credit)


def lots_for(burns: int) -> int:
    """How many lots each wallet needs for that many burns in all, so that hardly any comes to its reserve."""
    points = burns / MEMBERS * (BURN_LEAST + BURN_MOST) / 2
    return int(1.6 * points / fixtures.LOT_POINTS) + 12


def lots_per_transaction(books: Books, credit: str) -> float:
    """How many lots a burn (hold, capture) took on average; raises BenchmarkError when one took more than three."""
    with books.owner() as owner:
        row = owner.execute(
            "SELECT count(*)::float / count(DISTINCT txn_id), max(seq) FROM coalition.posting "
            "WHERE credit = %s::coalition.account",
            [credit],
        ).fetchone()
    if row is None or row[1] is None or row[1] > 3:
        raise BenchmarkError(f"transactions took other numbers of lots than 1 to 3: {row}")
    return float(row[0])


def new_id_sql(books: Books) -> str:
    """SQL for a new id, ordered by time where the server can make such."""
    with books.owner() as owner:
        return "uuidv7()" if owner.info.server_version >= UUIDV7_SINCE else "gen_random_uuid()"


def partners_sql(partners: list[UUID]) -> str:
    """SQL for the partners as an array."""
    codes = ", ".join(f"'{partner}'" for partner in partners)
    return f"(ARRAY[{codes}]::uuid[])"


def earn_script(books: Books, partners: list[UUID], *, members: int = MEMBERS) -> str:
    """pgbench's script of one earn at a random partner of one of so many members."""
    return _script(books, partners, "ledger_earn", "earn", members, EARNED)


def _script(
    books: Books,
    partners: list[UUID],
    function: str,
    kind: str,
    members: int,
    points: tuple[int, int],
    due_at: str = "NULL",
) -> str:
    new_id = new_id_sql(books)
    # A partner's keys are random, its receipts ascend, the service's own ids are ordered by time.
    return f"""\\set m random(1, {members})
\\set p random(1, {len(partners)})
\\set points random({points[0]}, {points[1]})
SELECT o.replayed, o.refusal, o.detail, (o.txn).* FROM coalition.{function}(ROW(
    '{kind}', {partners_sql(partners)}[:p], gen_random_uuid()::text, sha256(uuid_send(gen_random_uuid())),
    {new_id}, {new_id}, now(), {fixtures.sql_id(0, ":m::bigint")}, NULL, {new_id}::text, :points, NULL, NULL, NULL,
    {due_at}, NULL, NULL, NULL)::coalition.request) o;
"""


def measure(
    harness: Harness, books: Books, tpcb: Tpcb, script: str, *, clients: int = CLIENTS, each: int = 1
) -> Measured:
    """The runs of a script whose transactions post `each`, beside TPC-B-like ones; each Rate is in transactions."""
    runs = []
    for _ in range(harness.runs):
        reference = tpcb.run()
        rate = run_script(books.url, script, folder=harness.folder, seconds=harness.seconds, clients=clients)
        report(f"  measured    {rate.per_second * each:>9,.0f} {'transactions' if each == 1 else 'items'}/s")
        runs.append((Run(rate.per_second * each, 1, reference.per_second, 1), rate))
    return runs


def check(books: Books, kind: str, posted: int) -> None:
    """Raise BenchmarkError unless `posted` of a kind (and what pgbench cut off) are there, none refused, all told."""
    with books.owner() as owner:
        row = owner.execute(
            "SELECT (SELECT count(*) FROM coalition.txn WHERE kind = %s::coalition.txn_kind "
            "        AND reference NOT LIKE 'fixtures-%%'), "
            "       (SELECT count(*) FROM coalition.txn WHERE reference NOT LIKE 'fixtures-%%'), "
            "       (SELECT count(*) FROM kit.event), "
            "       (SELECT count(*) FROM coalition.idempotency WHERE refusal IS NOT NULL)",
            [kind],
        ).fetchone()
    if row is None or row[3] != 0 or row[1] != row[2] or row[0] < posted:
        raise BenchmarkError(f"pgbench counted {posted} postings; of the kind, of all, events, refused: {row}")


def posted_in(runs: Measured) -> int:
    """How many transactions pgbench counted in all runs."""
    return sum(rate.transactions for _, rate in runs)


def check_held(books: Books) -> None:
    """Raise BenchmarkError unless wallets, lots and open holds agree about what is held."""
    with books.owner() as owner:
        row = owner.execute(
            "SELECT (SELECT sum(held) FROM coalition.wallet), (SELECT sum(held) FROM coalition.lot), "
            "       (SELECT coalesce(sum(points), 0) FROM coalition.hold WHERE status = 'open')"
        ).fetchone()
    if row is None or len(set(row)) != 1:
        raise BenchmarkError(f"wallets, lots and open holds disagree about the points held: {row}")
