"""What a settled day left in the books: written once, never changed, and compared with what the day comes out as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import text

from coalition import programme
from kit import ids, outbox
from kit.db import Session
from settlement import set_aside
from settlement.calculation import Calculation

# Each table's columns, in the order in which the rows below have them.
_COLUMNS = {
    "obligation": "day, payer_id, payee_id, agreement_id, currency, points, amount_minor",
    "net_position": "day, partner_id, currency, amount_minor",
    "payment": "day, seq, payer_id, payee_id, currency, amount_minor",
}
TABLES = (*_COLUMNS, "statement", "set_aside")


def is_settled(session: Session, day: date) -> bool:
    """Whether `day` was settled."""
    return bool(
        session.scalar(text("SELECT EXISTS (SELECT FROM settlement.settled_day WHERE day = :day)"), {"day": day})
    )


def all_of_them(session: Session) -> list[date]:
    """All settled days in order."""
    return list(session.scalars(text("SELECT day FROM settlement.settled_day ORDER BY day")))


def last(session: Session) -> date | None:
    """The last day that is settled."""
    day: date | None = session.scalar(text("SELECT max(day) FROM settlement.settled_day"))
    return day


def keep(session: Session, result: Calculation, now: datetime) -> None:
    """Write a day's settlement down; every partner hears of its statement."""
    session.execute(
        text("INSERT INTO settlement.settled_day (day, content_hash, calculated_at) VALUES (:day, :hash, :now)"),
        {"day": result.day, "hash": result.content_hash(), "now": now},
    )
    for table, rows in _rows(result).items():
        if rows:
            places = ", ".join(f":p{n}" for n in range(len(rows[0])))
            session.execute(
                text(f"INSERT INTO settlement.{table} ({_COLUMNS[table]}) VALUES ({places})"),  # noqa: S608 -- names of ours, values bound
                [{f"p{n}": value for n, value in enumerate(row)} for row in rows],
            )
    set_aside.keep(session, result.left_out, result.taken_in, day=result.day)
    for partner_id, body in result.statements.items():
        _keep_statement(session, result, partner_id, body, now)


def first_difference(session: Session, result: Calculation) -> str | None:
    """How what is kept of a settled day differs from `result`, which was calculated again; None: not at all."""
    for table, rows in _rows(result).items():
        kept = session.execute(
            text(f"SELECT {_COLUMNS[table]} FROM settlement.{table} WHERE day = :day"),  # noqa: S608
            {"day": result.day},
        )
        if (found := _odd_one(map(tuple, kept), rows)) is not None:
            return f"{table}: {found}"
    statements = session.execute(
        text("SELECT partner_id, content_hash, sha256(body) FROM settlement.statement WHERE day = :day"),
        {"day": result.day},
    )
    hashes = {partner_id: sha256(body).digest() for partner_id, body in result.statements.items()}
    wanted = [(partner_id, found, found) for partner_id, found in hashes.items()]
    if (found := _odd_one(map(tuple, statements), wanted)) is not None:
        return f"statement: {found}"
    content_hash = session.scalar(
        text("SELECT content_hash FROM settlement.settled_day WHERE day = :day"), {"day": result.day}
    )
    if content_hash != result.content_hash():
        return f"content: kept {bytes(content_hash or b'').hex()}, comes out {result.content_hash().hex()}"
    return None


def _odd_one(kept: Iterable[tuple[Any, ...]], wanted: Iterable[tuple[Any, ...]]) -> str | None:
    there, due = Counter(kept), Counter(wanted)
    for row in sorted((there - due).keys() | (due - there).keys(), key=repr):
        shown = ", ".join(value.hex()[:16] if isinstance(value, bytes) else str(value) for value in row)
        return f"({shown}) is kept {there[row]} times and comes out {due[row]} times"
    return None


def _rows(result: Calculation) -> dict[str, list[tuple[Any, ...]]]:
    day = result.day
    return {
        "obligation": [
            (
                day, o.payer_id, o.payee_id, o.agreement.agreement_id, o.agreement.currency, o.points,
                o.amount_minor,
            )
            for o in result.obligations
        ],
        "net_position": [(day, partner, currency, amount) for (partner, currency), amount in result.nets.items()],
        "payment": [
            (day, n, p.payer_id, p.payee_id, p.currency, p.amount_minor) for n, p in enumerate(result.payments, start=1)
        ],
    }  # fmt: skip


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
