"""The night: end the business day, then calculate it. Each stage is keyed by the day and runs once.

A night killed anywhere goes on where it was; two at once take turns and change nothing twice; a day calculated again
gives the same bytes, or stops and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from sqlalchemy import text

from coalition import business_days, closing, programme
from kit import ids, outbox
from kit.db import Database, Session, wait_for_lock
from kit.errors import Conflict
from kit.secrets import Keyring
from partners import accounts
from settlement import agreements, calculation
from settlement.agreements import PriceBook
from settlement.calculation import Calculation


class NightDiffers(Conflict):
    """A settled day, calculated again, gave other bytes: its rows or prices were changed behind our back."""

    code = "night_differs"
    title = "Settlement differs"


@dataclass(frozen=True)
class Night:
    """A settled day; `settled_now` is False when it had been settled before and came out the same."""

    day: date
    settled_now: bool
    postings: int
    payments: int
    content_hash: bytes


def run(database: Database, *, day: date, now: datetime, keyring: Keyring) -> Night:
    """Settle `day` from wherever it stands. Raises DayNotOver, AgreementMissing, NightDiffers."""
    closing.close_day(database, day=day, now=now, keyring=keyring)
    with database.transaction() as session:
        wait_for_lock(session, f"settlement {day}")
        result = calculate(session, day)
        kept = session.scalar(text("SELECT content_hash FROM settlement.settled_day WHERE day = :day"), {"day": day})
        if kept is None:
            _keep(session, result, now)
        elif bytes(kept) != result.content_hash():
            raise NightDiffers(f"{day} was settled with {kept.hex()}, and now gives {result.content_hash().hex()}")
    return Night(day, kept is None, result.seal.postings, len(result.payments), result.content_hash())


def calculate(session: Session, day: date) -> Calculation:
    """The settlement of a sealed day, from its postings and the agreements; writes nothing. Raises DayNotClosed."""
    seal = business_days.find_seal(session, day)
    if seal is None:
        raise business_days.DayNotClosed(f"{day} is not sealed")
    return calculation.calculate(
        seal=seal,
        flows=business_days.flows(session, day),
        flow_lines=business_days.flow_lines(session, day),
        book=PriceBook(agreements.everything(session)),
        # Whoever joined later has no statement of that day, today and when it is calculated again.
        partners=accounts.everybody(session, created_before=business_days.closed_at(session, day)),
    )


def due_days(session: Session, *, now: datetime) -> list[date]:
    """The days that are over and not settled yet, oldest first."""
    current = programme.get(session)
    closed = [day for day, _ in business_days.closed_days(session)]
    settled = {row.day for row in session.execute(text("SELECT day FROM settlement.settled_day"))}
    due = [day for day in closed if day not in settled]
    day = current.open_day
    while current.time(now) >= current.ends_at(day):
        due.append(day)
        day += timedelta(days=1)
    return due


def _keep(session: Session, result: Calculation, now: datetime) -> None:
    day = result.day
    session.execute(
        text("INSERT INTO settlement.settled_day (day, content_hash, calculated_at) VALUES (:day, :hash, :now)"),
        {"day": day, "hash": result.content_hash(), "now": now},
    )
    _insert(
        session,
        "obligation (day, payer_id, payee_id, agreement_id, currency, points, amount_minor)",
        [
            (
                day,
                o.payer_id,
                o.payee_id,
                o.agreement.agreement_id,
                o.agreement.currency,
                o.points,
                o.amount_minor,
            )
            for o in result.obligations
        ],
    )
    _insert(
        session,
        "net_position (day, partner_id, currency, amount_minor)",
        [(day, partner_id, currency, amount) for (partner_id, currency), amount in result.nets.items()],
    )
    _insert(
        session,
        "payment (day, seq, payer_id, payee_id, currency, amount_minor)",
        [(day, n, p.payer_id, p.payee_id, p.currency, p.amount_minor) for n, p in enumerate(result.payments, start=1)],
    )
    for partner_id, body in result.statements.items():
        _keep_statement(session, result, partner_id, body, now)


def _insert(session: Session, target: str, rows: list[tuple[object, ...]]) -> None:
    if not rows:
        return
    places = ", ".join(f":p{n}" for n in range(len(rows[0])))
    session.execute(
        text(f"INSERT INTO settlement.{target} VALUES ({places})"),  # noqa: S608 -- names of our own, values bound
        [{f"p{n}": value for n, value in enumerate(row)} for row in rows],
    )


def _keep_statement(session: Session, result: Calculation, partner_id: UUID, body: bytes, now: datetime) -> None:
    statement_id = ids.new()
    content_hash = sha256(body).digest()
    session.execute(
        text("""
            INSERT INTO settlement.statement (statement_id, day, partner_id, body, content_hash)
            VALUES (:statement_id, :day, :partner_id, :body, :content_hash)
        """),
        {
            "statement_id": statement_id,
            "day": result.day,
            "partner_id": partner_id,
            "body": body,
            "content_hash": content_hash,
        },
    )
    outbox.append(
        session,
        outbox.Event(
            type="settlement.statement_ready",
            subject_id=partner_id,
            partner_id=partner_id,
            occurred_at=programme.get(session).time(now),
            data={
                "statement_id": statement_id,
                "partner_id": partner_id,
                "day": result.day,
                "content_hash": content_hash.hex(),
                "net": [
                    {"currency": currency, "amount_minor": amount}
                    for (whose, currency), amount in result.nets.items()
                    if whose == partner_id
                ],
            },
        ),
    )
