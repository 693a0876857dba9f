"""`coalition settlement …`: the runs, what people decide about them, and money entries; for the coalition's admin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import click

from coalition import programme
from kit import ids, money
from kit.audit import Act
from kit.terminal import answer, desk, json_option, one_line_errors
from partners.cli.records import MOST_LISTED, Decision, data_of, decided, noted, report, report_all
from settlement import approvals, entries, payment_files, payments, policies, runs, statements
from settlement.cli.settlement import settlement as settlement
from settlement.payments import Standing
from settlement.runs import Run

run_id_argument = click.argument("run_id")


@settlement.command("runs", help="List the settlement runs that wait for something, or --all of them.")
@click.option("--all", "everything", is_flag=True, help="Those that are settled or abandoned, too.")
@json_option
@one_line_errors
def list_runs(*, everything: bool, as_json: bool) -> None:
    states = runs.STATES if everything else tuple(set(runs.STATES) - {runs.SETTLED, runs.ABANDONED})
    with desk() as ctx, ctx.database.reading() as session:
        found = runs.newest(session, limit=MOST_LISTED, states=states)
    report_all(
        [run_data(one) for one in found],
        ("run_id", "cycle", "first_day", "last_day", "attempt", "state"),
        as_json=as_json,
    )


@settlement.command("show", help="Show the run RUN_ID (srn_…): its positions, payments, and who decided what.")
@run_id_argument
@json_option
@one_line_errors
def show(*, run_id: str, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        found = runs.get(session, ids.parse(ids.SETTLEMENT_RUN, run_id))
        names = {party_id: party.name for party_id, party in statements.parties(session).items()}
        positions = runs.positions(session, found.run_id)
        standings = payments.of_run(session, found.run_id)
        changes = runs.changes(session, found.run_id)
        files = payment_files.of_run(session, found)
    data = {
        **data_of(run_data(found)),
        "positions": [{**vars(one), "party_id": str(one.party_id), "party": names[one.party_id]} for one in positions],
        "payments": [_payment(one, names) for one in standings],
        "files": [
            {
                "message_id": one.message_id,
                "payer": names[one.payer_id] if one.payer_id else None,
                "execution_date": one.execution_date,
            }
            for one in files
        ],
        "changes": [vars(one) for one in changes],
    }
    lines = [
        f"{found.cycle} run of {found.first_day} to {found.last_day}: {found.state}",
        *(f"  {names[one.party_id]:<24} {money.show(one.amount_minor, one.currency):>18}" for one in positions),
        *(_told(one, names) for one in standings),
        *(
            f"  payment file {one.message_id} of {names[one.payer_id] if one.payer_id else 'all payers'}, "
            f"to execute on {one.execution_date}"
            for one in files
        ),
        *(
            f"  {one.at:%Y-%m-%d %H:%M} {one.state} by {one.by}{f': {one.reason}' if one.reason else ''}"
            for one in changes
        ),
    ]
    answer(data, "\n".join(lines), as_json=as_json)


def _payment(one: Standing, names: dict[UUID, str]) -> dict[str, Any]:
    return {
        **data_of(one.payment),
        "payer": names[one.payment.payer_id],
        "payee": names[one.payment.payee_id],
        "reference": payments.reference(one.payment.payment_id),
        "status": one.status,
        "paid_minor": one.paid_minor,
        "is_covered": one.is_covered,
        "reason": one.reason,
    }


def _told(one: Standing, names: dict[UUID, str]) -> str:
    payment = one.payment
    why = f" ({one.reason})" if one.reason else ""
    return (
        f"  {names[payment.payer_id]} pays {names[payment.payee_id]} "
        f"{money.show(payment.amount_minor, payment.currency)}, {ids.show(ids.PAYMENT, payment.payment_id)}: "
        f"{one.status}{why}{', covered for a partner in default' if one.is_covered else ''}"
    )


def _step(name: str, text: str, verb: Any, said: str, *, needs_reason: bool = False) -> None:
    """Give `settlement` a command that takes a run one step further."""

    @settlement.command(name, help=text)
    @run_id_argument
    @(decided if needs_reason else noted)
    @json_option
    @one_line_errors
    def step(*, run_id: str, decision: Decision, as_json: bool) -> None:
        with desk() as ctx, ctx.database.transaction() as session:
            made: Run = verb(session, decision.act(ctx), run_id=ids.parse(ids.SETTLEMENT_RUN, run_id))
        report(run_data(made), said.format(run=made), as_json=as_json)


_step(
    "approve",
    "Approve the run RUN_ID (srn_…). It takes as many people as the policy says; name yourself with --by.",
    approvals.approve,
    "the run is {run.state}",
)
_step("settle", "Say that all payments of the run RUN_ID have come.", approvals.settle, "the run is settled")
_step(
    "abandon",
    "Give up the run RUN_ID before it is instructed. The next run of the same days takes its place.",
    approvals.abandon,
    "attempt {run.attempt} takes its place",
    needs_reason=True,
)


@settlement.command("policy", help="Show or set how the coalition settles.")
@click.option("--netting", type=click.Choice(policies.NETTINGS), help="Partners pay each other, or the coalition.")
@click.option("--approvals", type=click.IntRange(1, 2), help="How many people approve a run.")
@click.option(
    "--beyond-limit", type=click.Choice(policies.BEYOND_LIMIT),
    help="Whether earns of an issuer whose exposure exceeds its limit go on, are refused, or are pending.",
)  # fmt: skip
@click.option(
    "--dispute-days", type=click.IntRange(1, policies.MOST_DISPUTE_DAYS),
    help="How many days after the end of its cycle a line may be disputed.",
)  # fmt: skip
@click.option("--legal-name", help="The coalition's name on statements and payments.")
@click.option("--legal-address", help="Its address.")
@click.option("--tax-id", help="Its tax id.")
@click.option("--iban", help="The IBAN of the account that it settles through.")
@click.option("--bic", help="The BIC of its bank.")
@noted
@json_option
@one_line_errors
def policy(*, decision: Decision, as_json: bool, **wanted: Any) -> None:
    wanted = {name: value for name, value in wanted.items() if value is not None}
    with desk() as ctx, ctx.database.transaction() as session:
        found = policies.get(session)
        if wanted:
            found = policies.put(session, decision.act(ctx), replace(found, **wanted))
    answer(vars(found), "\n".join(f"{name:<16} {value or '-'}" for name, value in vars(found).items()), as_json=as_json)


@settlement.group("entry", help="Money that one party owes another beside points.")
def entry() -> None:
    pass


@entry.command(
    "add",
    help=(
        "PAYER owes PAYEE AMOUNT_MINOR minor units. Each is a partner's code, or `coalition`. It is settled with the "
        "open business day."
    ),
)
@click.argument("kind", type=click.Choice(entries.KINDS))
@click.argument("payer")
@click.argument("payee")
@click.argument("amount_minor", type=int)
@click.option("--reference", required=True, help="Your own reference, once for each entry of a kind.")
@click.option("--currency", help="If you leave it out: the programme's.")
@decided
@json_option
@one_line_errors
def add_entry(
    *, kind: str, payer: str, payee: str, amount_minor: int, reference: str, currency: str | None, decision: Decision,
    as_json: bool,
) -> None:  # fmt: skip
    with desk() as ctx, ctx.database.transaction() as session:
        act: Act = decision.act(ctx)
        made = entries.add(
            session, act, kind=kind, payer_id=statements.party_id(session, payer),
            payee_id=statements.party_id(session, payee),
            currency=currency or programme.get(session).currency, amount_minor=amount_minor, reference=reference,
        )  # fmt: skip
    report(
        made, f"{payer} owes {payee} {money.show(made.amount_minor, made.currency)} from {made.day}", as_json=as_json
    )


def run_data(found: Run) -> dict[str, Any]:
    """A run for a program."""
    return {**vars(found), "content_hash": found.content_hash.hex() if found.content_hash else None}
