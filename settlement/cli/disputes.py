"""`coalition settlement disputes` and `dispute …`: lines that a party disputes, and what comes of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import click

from kit import ids, money
from kit.db import Session
from kit.terminal import desk, json_option, one_line_errors
from partners.cli.records import MOST_LISTED, Decision, decided, noted, report, report_all, report_one
from settlement import dispute_records, disputes, statements
from settlement.cli.payments import settlement as settlement
from settlement.dispute_records import OPEN, STATUSES, Dispute

LAST = UUID(int=2**128 - 1)
_COLUMNS = ("dispute_id", "status", "settled_on", "kind", "payer", "payee", "amount", "reference", "raised_by")


@settlement.command("disputes", help="List the disputes that are open, or --all of them, the newest first.")
@click.option("--all", "everything", is_flag=True, help="Those that are resolved, too.")
@click.option("--partner", help="Only those of this partner. Its code, or `coalition`.")
@json_option
@one_line_errors
def list_disputes(*, everything: bool, partner: str | None, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        found = dispute_records.newest(
            session, before=LAST, limit=MOST_LISTED,
            party_id=statements.party_id(session, partner) if partner else None,
            statuses=STATUSES if everything else (OPEN,),
        )  # fmt: skip
        data = _shown(session, found)
    report_all(data, _COLUMNS, as_json=as_json)


@settlement.group(
    "dispute", help="A line of a statement that a party disputes: it leaves the net until it is resolved."
)
def dispute() -> None:
    pass


@dispute.command("show", help="Show the dispute DISPUTE_ID (dsp_…).")
@click.argument("dispute_id")
@json_option
@one_line_errors
def show(*, dispute_id: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        (found,) = _shown(session, [dispute_records.get(session, ids.parse(ids.DISPUTE, dispute_id))])
    report_one(found, as_json=as_json)


@dispute.command("raise", help="Dispute a line of the obligation OBLIGATION_ID (obl_…) for one of its two parties.")
@click.argument("obligation_id")
@click.option("--line", type=click.IntRange(1), help="Which line. Leave it out if the obligation has none.")
@click.option("--partner", required=True, help="Which party disputes it. Its code, or `coalition`.")
@decided
@json_option
@one_line_errors
def raise_dispute(
    *, obligation_id: str, line: int | None, partner: str, decision: Decision, as_json: bool
) -> None:  # fmt: skip
    with desk() as ctx, ctx.database.transaction() as session:
        made = disputes.add(
            session, decision.act(ctx), party_id=statements.party_id(session, partner), line=line,
            obligation_id=ids.parse(ids.OBLIGATION, obligation_id),
        )  # fmt: skip
        (data,) = _shown(session, [made])
    shown = ids.show(ids.DISPUTE, made.dispute_id)
    report(data, f"{shown}: {money.show(made.amount_minor, made.currency)} leave the net on {made.day}",
           as_json=as_json)  # fmt: skip


@dispute.command("answer", help="Keep what the other party says to the dispute DISPUTE_ID.")
@click.argument("dispute_id")
@click.argument("comment")
@click.option("--partner", required=True, help="The other party. Its code, or `coalition`.")
@noted
@json_option
@one_line_errors
def answer(*, dispute_id: str, comment: str, partner: str, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        made = disputes.answer(
            session, decision.act(ctx), dispute_id=ids.parse(ids.DISPUTE, dispute_id),
            party_id=statements.party_id(session, partner), comment=comment,
        )  # fmt: skip
        (data,) = _shown(session, [made])
    report(data, "the dispute is answered", as_json=as_json)


@dispute.command("resolve", help="Decide the dispute DISPUTE_ID. What is owed after all comes back into the net.")
@click.argument("dispute_id")
@click.option("--outcome", type=click.Choice(disputes.OUTCOMES), required=True,
              help="upheld: the line is not owed. rejected: it is. part: --amount-minor of it is.")  # fmt: skip
@click.option("--amount-minor", type=int, help="With part: what of the line is owed after all, in minor units.")
@click.option("--approved-by", help="The second person, if the settlement policy asks for two.")
@decided
@json_option
@one_line_errors
def resolve(
    *, dispute_id: str, outcome: str, amount_minor: int | None, approved_by: str | None, decision: Decision,
    as_json: bool,
) -> None:  # fmt: skip
    with desk() as ctx, ctx.database.transaction() as session:
        made = disputes.resolve(
            session, replace(decision.act(ctx), approved_by=approved_by),
            dispute_id=ids.parse(ids.DISPUTE, dispute_id), outcome=outcome, amount_minor=amount_minor,
        )  # fmt: skip
        (data,) = _shown(session, [made])
    back = money.show(made.back_minor or 0, made.currency)
    report(data, f"{made.outcome}: {back} come back into the net on {made.resolved_on}", as_json=as_json)


def _shown(session: Session, found: list[Dispute]) -> list[dict[str, Any]]:
    """Disputes for a program, their parties by their codes."""
    codes = {party_id: one.code for party_id, one in statements.parties(session).items()}
    return [
        {
            **{
                name: value for name, value in vars(one).items() if name not in ("payer_id", "payee_id", "raised_by_id")
            },
            "status": one.status,
            "payer": codes[one.payer_id],
            "payee": codes[one.payee_id],
            "raised_by": codes[one.raised_by_id],
            "amount": money.show(one.amount_minor, one.currency),
        }
        for one in found
    ]
