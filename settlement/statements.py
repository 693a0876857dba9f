"""Statements: what a run says to one partner, made from the rows that were kept, in one fixed form.

`terms` is all that a statement says but its lines. Its obligations name the SHA-256 over their lines, so the hash of
the terms covers every line, and a file in any format can be made, and made again, from the same rows. How the JSON
file is written and hashed, says settlement.statement_form.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from coalition import business_days, programme
from coalition.business_days import Seal
from kit import ids
from kit.db import Session
from kit.errors import NotFound
from kit.row_streams import rows_out
from partners import accounts
from partners.accounts import Partner
from partners.codes import COALITION as COALITION
from settlement import (
    agreements,
    dispute_records,
    obligations,
    policies,
    run_parties,
    runs,
    set_aside,
    statement_form,
)
from settlement.agreements import Agreement
from settlement.dispute_records import Move
from settlement.obligations import Kept
from settlement.runs import Payment, Position, Run
from settlement.set_aside import SetAside
from settlement.statement_form import FORM, Line


class StatementNotFound(NotFound):
    code = "statement_not_found"
    title = "Statement not found"
    description = "There is no statement with this id among yours, or the partner has none of this settlement run."
    remedy = "List your statements with GET /v1/statements, or the coalition's runs with `coalition settlement runs`."


@dataclass(frozen=True)
class Party:
    """A partner, or the coalition itself, as statements name it."""

    party_id: UUID
    code: str
    name: str


@dataclass(frozen=True)
class Common:
    """What all statements of a run share: `parties` and `agreements` by id, and the seals of its days."""

    parties: dict[UUID, Party]
    agreements: dict[UUID, Agreement]
    seals: list[Seal]


@dataclass(frozen=True)
class Content(Common):
    """All that the statements of a run are made of."""

    run: Run
    owed: list[Kept]
    positions: list[Position]
    payments: list[Payment]
    left_out: list[SetAside]
    disputed: list[Move]


@dataclass(frozen=True)
class KeptStatement:
    """That a partner has a statement of a run, and what it is known by."""

    statement_id: UUID
    run_id: UUID
    partner_id: UUID
    content_hash: bytes


def parties(session: Session) -> dict[UUID, Party]:
    """Whoever can owe or be owed, by id."""
    fund = programme.get(session).programme_id
    name = policies.get(session).legal_name or "The coalition"
    found = {one.partner_id: Party(one.partner_id, one.code, one.name) for one in accounts.everybody(session)}
    return {fund: Party(fund, COALITION, name), **found}


def party_id(session: Session, code: str) -> UUID:
    """The id of a partner by its code, or that of the coalition by COALITION. Raises PartnerNotFound."""
    if code == COALITION:
        return programme.get(session).programme_id
    return accounts.by_code(session, code).partner_id


def common(session: Session, run: Run) -> Common:
    """What all statements of a run share. Only the service may read it."""
    as_then = {one.party_id: Party(one.party_id, one.code, one.name) for one in run_parties.kept(session, run).values()}
    return Common(
        parties=parties(session) | as_then,
        agreements={one.agreement_id: one for one in agreements.everything(session)},
        seals=business_days.find_seals(session, run.first_day, run.last_day),
    )


def content(session: Session, run: Run, shared: Common | None = None) -> Content:
    """What the statements of a calculated run are made of; a partner's request brings what they share, and sees of
    the rest its own rows."""
    return gather(session, run, runs.positions(session, run.run_id), runs.payments(session, run.run_id), shared)


def gather(
    session: Session, run: Run, found: Sequence[Position], made: Sequence[Payment], shared: Common | None = None
) -> Content:
    """The same of a run whose positions and payments are given."""
    shared = shared or common(session, run)
    return Content(
        run=run,
        **vars(shared),
        owed=obligations.of_days(session, run.first_day, run.last_day, cycle=run.cycle),
        positions=list(found),
        payments=list(made),
        left_out=set_aside.of_day(session, run.first_day) if run.is_daily else [],
        disputed=dispute_records.moves(session, run),
    )


def terms(content: Content, partner_id: UUID) -> dict[str, Any]:
    """All that the partner's statement says but its lines: of JSON's own kinds, amounts in minor units."""
    run = content.run

    def code(party_id: UUID) -> str:
        return content.parties[party_id].code

    mine = [one for one in content.owed if partner_id in (one.payer_id, one.payee_id)]
    return {
        "statement": FORM,
        "cycle": run.cycle,
        "first_day": run.first_day.isoformat(),
        "last_day": run.last_day.isoformat(),
        "attempt": run.attempt,
        "partner": code(partner_id),
        "partner_id": ids.show(ids.PARTNER, partner_id),
        "seals": [
            {
                "day": seal.day.isoformat(),
                "postings": seal.postings,
                "digest": seal.digest.hex(),
                "chain": seal.chain.hex(),
            }
            for seal in content.seals
        ],
        "positions": [
            {
                "currency": one.currency,
                "opening_minor": one.opening_minor,
                "net_minor": one.amount_minor,
                "closing_minor": one.opening_minor + one.amount_minor,
            }
            for one in content.positions
            if one.party_id == partner_id
        ],
        "payments": [
            {
                "payer": code(one.payer_id),
                "payee": code(one.payee_id),
                "currency": one.currency,
                "amount_minor": one.amount_minor,
            }
            for one in content.payments
            if partner_id in (one.payer_id, one.payee_id)
        ],
        "obligations": [_obligation(content, one) for one in mine],
        "set_aside": [
            {
                "day": one.day.isoformat(),
                "payer": code(one.payer_id),
                "payee": code(one.payee_id),
                "issued_on": one.issued_on.isoformat(),
                "points": one.points,
                "code": one.code,
            }
            for one in content.left_out
            if partner_id in (one.payer_id, one.payee_id)
        ],
        **_disputes(content, partner_id),
    }


def _disputes(content: Content, partner_id: UUID) -> dict[str, Any]:
    """What disputes moved; nothing where there are none, as in statements of before there were any."""
    moved = [
        {
            "day": one.day.isoformat(),
            "dispute_id": ids.show(ids.DISPUTE, one.dispute_id),
            "step": one.step,
            "payer": content.parties[one.payer_id].code,
            "payee": content.parties[one.payee_id].code,
            "currency": one.currency,
            "amount_minor": one.amount_minor,
            "settled_on": one.settled_on.isoformat(),
            "kind": one.kind,
            "transaction_id": ids.show(ids.TRANSACTION, one.transaction_id) if one.transaction_id else None,
            "reference": one.reference,
        }
        for one in content.disputed
        if partner_id in (one.payer_id, one.payee_id)
    ]
    return {"disputes": moved} if moved else {}


def _obligation(content: Content, one: Kept) -> dict[str, Any]:
    agreement = content.agreements.get(one.agreement_id) if one.agreement_id else None
    return {
        "day": one.day.isoformat(),
        "payer": content.parties[one.payer_id].code,
        "payee": content.parties[one.payee_id].code,
        "kind": one.kind,
        "agreement_version": agreement.version if agreement else None,
        "currency": one.currency,
        "points": one.points,
        "amount_minor": one.amount_minor,
        "lines_digest": one.lines_digest.hex() if one.lines_digest else None,
    }


_LINES = """
    SELECT n, txn_id, seq, posted_on, issued_on, concerns, reference, points, amount_minor, location_id
    FROM settlement.line WHERE obligation_id = %(id)s ORDER BY n
"""


def lines(session: Session, owed: Kept) -> Iterator[Line]:
    """The lines of an obligation in order, as a stream: until it has ended nothing else can be asked of `session`."""
    with rows_out(session, _LINES, {"id": owed.obligation_id}, as_bytes=("uuid",)) as rows:
        for row in rows:
            yield Line(*row)


_KEPT = "SELECT statement_id, run_id, partner_id, content_hash FROM settlement.run_statement"


def kept(session: Session, statement_id: UUID) -> KeptStatement:
    """One statement; raises StatementNotFound."""
    return _one_kept(session, f"{_KEPT} WHERE statement_id = :id", {"id": statement_id})


def kept_of(session: Session, run_id: UUID, partner_id: UUID) -> KeptStatement:
    """A partner's statement of a run; raises StatementNotFound."""
    return _one_kept(
        session, f"{_KEPT} WHERE run_id = :run_id AND partner_id = :id", {"run_id": run_id, "id": partner_id}
    )


def kept_by(session: Session, partner_id: UUID, *, before: UUID, limit: int) -> list[KeptStatement]:
    """A partner's statements that were made before `before`, the newest first."""
    rows = session.execute(
        text(f"{_KEPT} WHERE partner_id = :id AND statement_id < :before ORDER BY statement_id DESC LIMIT :limit"),
        {"id": partner_id, "before": before, "limit": limit},
    )
    return [KeptStatement(row[0], row[1], row[2], bytes(row[3])) for row in rows]


def _one_kept(session: Session, statement: str, parameters: dict[str, Any]) -> KeptStatement:
    row = session.execute(text(statement), parameters).first()
    if row is None:
        raise StatementNotFound("there is no such statement")
    return KeptStatement(row[0], row[1], row[2], bytes(row[3]))


# The agreements of a day, as far as they were made until it: who gets a statement doesn't change afterwards.
_IN_FORCE = "FROM settlement.agreement WHERE valid @> CAST(:day AS date) AND coalesce(agreed_on, lower(valid)) <= :day"


def recipients(session: Session, content: Content) -> list[Partner]:
    """Who gets a statement of a run: whose cycle it is, and who owes or is owed in it.

    Whoever joined after its last day was closed has none, today and whenever it is calculated again.
    """
    run = content.run
    involved = {party for one in content.owed for party in (one.payer_id, one.payee_id)}
    everybody = accounts.everybody(session, created_before=business_days.closed_at(session, run.last_day))
    others = set(
        session.scalars(
            text(f"SELECT partner_id {_IN_FORCE} AND cycle <> :cycle"), {"day": run.last_day, "cycle": run.cycle}
        )
    )
    own = {one.partner_id for one in everybody} - others if run.is_daily else _of_cycle(session, run)
    return [one for one in everybody if one.partner_id in own | involved]


def _of_cycle(session: Session, run: Run) -> set[UUID]:
    return set(
        session.scalars(
            text(f"SELECT partner_id {_IN_FORCE} AND cycle = :cycle"), {"day": run.last_day, "cycle": run.cycle}
        )
    )


def as_json(session: Session, content: Content, partner_id: UUID) -> Iterator[str]:
    """The statement as a JSON document, part by part: its terms, its content hash, and `lines`, each on a line."""
    mine = [one for one in content.owed if partner_id in (one.payer_id, one.payee_id)]
    of_all = ((place, line) for place, one in enumerate(mine) for line in lines(session, one))
    return statement_form.written(terms(content, partner_id), of_all)
