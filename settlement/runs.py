"""Settlement runs: a cycle's days settled together, from `open` to `settled`, each change with its person and reason.

    open → closed → calculated → approved → instructed → settled

A run is open while one of its days is, closed once all of them are, and calculated when its days are: then it has net
positions, payments and statements, which never change. It may be abandoned before it is instructed, and its days are
then settled by another attempt; no run is opened again. A payment that comes back takes a settled run back to
`instructed`, until it is paid after all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text

from coalition import business_days, programme
from kit import ids
from kit.audit import Act
from kit.db import Session
from kit.errors import NotFound
from settlement import cycles, netting
from settlement.cycles import Span
from settlement.obligations import Kept
from settlement.policies import THROUGH_COALITION

OPEN, CLOSED, CALCULATED, APPROVED, INSTRUCTED, SETTLED, ABANDONED = STATES = (
    "open", "closed", "calculated", "approved", "instructed", "settled", "abandoned",
)  # fmt: skip


class RunNotFound(NotFound):
    code = "run_not_found"
    title = "Settlement run not found"
    description = "There is no settlement run with this id, or none of this cycle for this day."
    remedy = "List the runs with `coalition settlement runs`, and use an id from there."


@dataclass(frozen=True)
class Run:
    """The settlement of `cycle` from `first_day` to `last_day`; `content_hash` and `netting` once it is calculated."""

    run_id: UUID
    cycle: str
    first_day: date
    last_day: date
    attempt: int
    state: str
    netting: str | None = None
    content_hash: bytes | None = None

    @property
    def is_daily(self) -> bool:
        """Whether it settles a single day."""
        return self.cycle == cycles.DAILY


@dataclass(frozen=True)
class Change:
    """A step of a run: into `state`, at `at`, decided `by` a person or the coalition's clock."""

    state: str
    at: datetime
    by: str
    reason: str | None = None

    @classmethod
    def into(cls, state: str, act: Act) -> Change:
        """The step that `act` is."""
        return cls(state, act.now, act.decider, act.reason)


@dataclass(frozen=True)
class Position:
    """What `party_id` receives of a run (positive) or owes. `opening_minor` is what stood open before."""

    party_id: UUID
    currency: str
    opening_minor: int
    amount_minor: int


@dataclass(frozen=True)
class Payment:
    """One transfer that settles positions: `payer_id` pays `payee_id`."""

    payment_id: UUID
    payer_id: UUID
    payee_id: UUID
    currency: str
    amount_minor: int


_SELECT = "SELECT run_id, cycle, first_day, last_day, attempt, state, netting, content_hash FROM settlement.run"


def span(run: Run) -> Span:
    """The days that a run settles."""
    return Span(run.first_day, run.last_day)


def _run(row: tuple[object, ...]) -> Run:
    found = Run(*row)  # type: ignore[arg-type]
    return found if found.content_hash is None else replace(found, content_hash=bytes(found.content_hash))


def get(session: Session, run_id: UUID, *, lock: bool = False) -> Run:
    """One run; with `lock` nobody else changes it before the transaction ends. Raises RunNotFound."""
    row = session.execute(
        text(f"{_SELECT} WHERE run_id = :id" + (" FOR UPDATE" if lock else "")), {"id": run_id}
    ).first()
    if row is None:
        raise RunNotFound("there is no such settlement run")
    return _run(tuple(row))


def of_day(session: Session, day: date, *, cycle: str = cycles.DAILY) -> Run:
    """The current run of a cycle that `day` lies in; raises RunNotFound."""
    row = session.execute(
        text(f"{_SELECT} WHERE cycle = :cycle AND first_day = :first AND state <> 'abandoned'"),
        {"cycle": cycle, "first": cycles.span(cycle, day).first},
    ).first()
    if row is None:
        raise RunNotFound(f"there is no {cycle} run for {day}")
    return _run(tuple(row))


def newest(session: Session, *, limit: int, states: tuple[str, ...] = STATES) -> list[Run]:
    """Runs in some states, the newest first."""
    rows = session.execute(
        text(f"{_SELECT} WHERE state = ANY(:states) ORDER BY last_day DESC, first_day DESC, attempt DESC LIMIT :limit"),
        {"states": list(states), "limit": limit},
    )
    return [_run(tuple(row)) for row in rows]


def page(session: Session, *, before: UUID, limit: int, states: tuple[str, ...] = STATES) -> list[Run]:
    """Runs in some states that were opened before `before`, the newest first, by their ids."""
    rows = session.execute(
        text(f"{_SELECT} WHERE state = ANY(:states) AND run_id < :before ORDER BY run_id DESC LIMIT :limit"),
        {"states": list(states), "before": before, "limit": limit},
    )
    return [_run(tuple(row)) for row in rows]


def changes(session: Session, run_id: UUID) -> list[Change]:
    """What became of a run, in order."""
    rows = session.execute(
        text("SELECT state, at, by, reason FROM settlement.run_change WHERE run_id = :id ORDER BY n"), {"id": run_id}
    )
    return [Change(*row) for row in rows]


def positions(session: Session, run_id: UUID) -> list[Position]:
    """The net positions of a calculated run, by currency and party, as `net` gives them."""
    rows = session.execute(
        text("""
            SELECT party_id, currency, opening_minor, amount_minor FROM settlement.run_position
            WHERE run_id = :id ORDER BY currency, party_id
        """),
        {"id": run_id},
    )
    return [Position(*row) for row in rows]


def payments(session: Session, run_id: UUID) -> list[Payment]:
    """The payments of a calculated run, in order."""
    rows = session.execute(
        text("""
            SELECT payment_id, payer_id, payee_id, currency, amount_minor FROM settlement.run_payment
            WHERE run_id = :id ORDER BY n
        """),
        {"id": run_id},
    )
    return [Payment(*row) for row in rows]


def note(session: Session, run: Run, change: Change) -> Run:
    """Bring a run, which is locked, into the state that it changes to, and write down by whom and why."""
    write_down(session, run, change)
    return enter(session, run, change.state)


def enter(session: Session, run: Run, state: str) -> Run:
    """Bring a run, which is locked, into `state`; what led to it is written down."""
    session.execute(
        text("UPDATE settlement.run SET state = :state, netting = :netting, content_hash = :hash WHERE run_id = :id"),
        {"state": state, "netting": run.netting, "hash": run.content_hash, "id": run.run_id},
    )
    return replace(run, state=state)


def write_down(session: Session, run: Run, change: Change) -> None:
    """Write down who decided that a run, which is locked, may change, and why."""
    session.execute(
        text("""
            INSERT INTO settlement.run_change (run_id, n, state, at, by, reason)
            SELECT :id, count(*) + 1, :state, :at, :by, :reason FROM settlement.run_change WHERE run_id = :id
        """),
        {"id": run.run_id, **vars(change)},
    )


def open_new(session: Session, *, at: datetime, by: str) -> None:
    """A run for each cycle that has days without one, and closed those whose days are all over.

    Days come in order and every one of them has a daily run, so the last daily run says where to go on.
    """
    open_day = programme.get(session).open_day
    day = last_daily(session) or business_days.first_closed(session) or open_day
    while day <= open_day:
        for cycle in cycles.CYCLES:
            _open(session, cycle, cycles.span(cycle, day), Change(OPEN, at, by))
        day = date.fromordinal(day.toordinal() + 1)
    over = session.execute(
        text(f"{_SELECT} WHERE state = 'open' AND last_day < :open_day ORDER BY last_day FOR UPDATE"),
        {"open_day": open_day},
    ).all()
    for row in over:
        note(session, _run(tuple(row)), Change(CLOSED, at, by))


def open_attempt(session: Session, abandoned: Run, *, at: datetime, by: str) -> Run:
    """A new run, closed already, of the days of one that was abandoned."""
    _open(session, abandoned.cycle, span(abandoned), Change(OPEN, at, by), abandoned.attempt + 1)
    return note(session, of_day(session, abandoned.first_day, cycle=abandoned.cycle), Change(CLOSED, at, by))


def _open(session: Session, cycle: str, days: Span, change: Change, attempt: int = 1) -> None:
    made = session.execute(
        text(f"""
            INSERT INTO settlement.run (run_id, cycle, first_day, last_day, attempt, state)
            SELECT :id, :cycle, :first, :last, :attempt, 'open'
            WHERE NOT EXISTS (SELECT FROM settlement.run WHERE cycle = :cycle AND first_day = :first
                              AND attempt >= :attempt)
            RETURNING {_SELECT.removeprefix("SELECT ").partition(" FROM")[0]}
        """),  # noqa: S608 -- names of ours
        {"id": ids.new(), "cycle": cycle, "first": days.first, "last": days.last, "attempt": attempt},
    ).first()
    if made is not None:
        note(session, _run(tuple(made)), change)


def due(session: Session, *, cycle: str | None = None) -> list[Run]:
    """The runs that are closed and not calculated, the first to end first, shorter cycles before longer ones."""
    rows = session.execute(
        text(f"{_SELECT} WHERE state = 'closed' AND (CAST(:cycle AS text) IS NULL OR cycle = :cycle)"), {"cycle": cycle}
    )
    return sorted((_run(tuple(row)) for row in rows), key=lambda run: (run.last_day, cycles.CYCLES.index(run.cycle)))


def open_before(session: Session, day: date) -> list[Run]:
    """The daily runs of days before `day` that nobody has closed yet, in order."""
    rows = session.execute(
        text(f"{_SELECT} WHERE state = 'open' AND cycle = 'daily' AND last_day < :day ORDER BY last_day"), {"day": day}
    )
    return [_run(tuple(row)) for row in rows]


def last_daily(session: Session) -> date | None:
    """The last day that has a daily run."""
    day: date | None = session.scalar(text("SELECT max(first_day) FROM settlement.run WHERE cycle = 'daily'"))
    return day


def ending_on(session: Session, day: date) -> list[Run]:
    """The current runs whose last day is `day`, shorter cycles first."""
    found = []
    for cycle in cycles.ending_on(day):
        try:
            found.append(of_day(session, day, cycle=cycle))
        except RunNotFound:
            continue
    return found


def first_attempts(session: Session, day: date) -> list[Run]:
    """The first attempts at the runs whose last day is `day`, whatever became of them, shorter cycles first."""
    found = []
    for cycle in cycles.ending_on(day):
        row = session.execute(
            text(f"{_SELECT} WHERE cycle = :cycle AND first_day = :first AND attempt = 1"),
            {"cycle": cycle, "first": cycles.span(cycle, day).first},
        ).first()
        if row is not None:
            found.append(_run(tuple(row)))
    return found


def statement_hashes(session: Session, run_id: UUID) -> dict[UUID, bytes]:
    """The content hashes of a run's statements, by partner."""
    rows = session.execute(
        text("SELECT partner_id, content_hash FROM settlement.run_statement WHERE run_id = :id"), {"id": run_id}
    )
    return {row.partner_id: bytes(row.content_hash) for row in rows}


def net(
    owed: Sequence[Kept], *, how: str, fund: UUID, opening: dict[tuple[UUID, str], int]
) -> tuple[list[Position], list[Payment]]:
    """Positions and payments of obligations, currency by currency; the positions of each add up to zero.

    `how` is a netting of policies.NETTINGS, `fund` the coalition, `opening` what stood open before, by party and
    currency. Parties go by their ids, so that the same obligations give the same payments.
    """
    found: list[Position] = []
    made: list[Payment] = []
    currencies = {one.currency for one in owed} | {currency for _, currency in opening}
    for currency in sorted(currencies):
        nets = netting.net_positions(
            (one.payer_id, one.payee_id, one.amount_minor) for one in owed if one.currency == currency
        )
        parties = nets.keys() | {party for party, of in opening if of == currency}
        found += [
            Position(party, currency, opening.get((party, currency), 0), nets.get(party, 0))
            for party in sorted(parties)
        ]
        order = {party: party.int for party in nets}
        through = netting.payments_through(fund, nets, order) if how == THROUGH_COALITION else None
        for payer, payee, amount in netting.payments(nets, order) if through is None else through:
            made.append(Payment(ids.new(), payer, payee, currency, amount))
    return found, made


def unpaid(session: Session) -> dict[tuple[UUID, str], int]:
    """What stands open between the parties: what each is still to receive of calculated runs that are not settled."""
    rows = session.execute(
        text("""
            WITH r AS (SELECT run_id FROM settlement.run WHERE state IN ('calculated', 'approved', 'instructed')),
            paid AS (SELECT p.payer_id, p.payee_id, p.currency, c.amount_minor FROM r
                     JOIN settlement.run_payment p USING (run_id) JOIN settlement.payment_change c USING (payment_id)),
            moved (party_id, currency, amount_minor) AS (
                SELECT p.party_id, p.currency, p.amount_minor FROM r JOIN settlement.run_position p USING (run_id)
                UNION ALL SELECT payer_id, currency, amount_minor FROM paid
                UNION ALL SELECT payee_id, currency, -amount_minor FROM paid
            )
            SELECT party_id, currency, sum(amount_minor)::bigint FROM moved GROUP BY 1, 2 HAVING sum(amount_minor) <> 0
        """)
    )
    return {(party, currency): amount for party, currency, amount in rows}


def keep(session: Session, run: Run, found: Sequence[Position], made: Sequence[Payment]) -> None:
    """Write down what a run comes to."""
    if found:
        session.execute(
            text("""
                INSERT INTO settlement.run_position (run_id, party_id, currency, opening_minor, amount_minor)
                VALUES (:run_id, :party_id, :currency, :opening_minor, :amount_minor)
            """),
            [{"run_id": run.run_id, **vars(one)} for one in found],
        )
    if made:
        session.execute(
            text("""
                INSERT INTO settlement.run_payment (payment_id, run_id, n, payer_id, payee_id, currency, amount_minor)
                VALUES (:payment_id, :run_id, :n, :payer_id, :payee_id, :currency, :amount_minor)
            """),
            [{"run_id": run.run_id, "n": n, **vars(one)} for n, one in enumerate(made, start=1)],
        )
