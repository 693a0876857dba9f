"""`coalition partner create` and `partner default`: the beginning with terms, and the end without payment.

A partner for real begins with onboarding, or at once, on the operator's word.
"""

from __future__ import annotations

from dataclasses import replace

import click

from coalition import rates
from kit import ids
from kit.terminal import answer, desk, json_option, one_line_errors
from partners import accounts
from partners.cli.accounts import partner, shown
from partners.cli.records import Decision, changing_terms, decided, noted, owner, report
from settlement import agreements, defaults, terms
from settlement.terms import Terms


@partner.command(
    "create",
    help=("Create the partner CODE. It is active at once, or with --onboarding when its papers are in order."),
)
@click.argument("code")
@click.option("--name", help="The name for people. If you leave it out: made from the code.")
@click.option("--rate", help="The points (a decimal) that 1.00 earns at this partner from today on.")
@click.option(
    "--price",
    help="The minor units (a decimal) that it pays for each of its points burned at another partner, from today on.",
)
@click.option(
    "--no-issuer", is_flag=True, help="The partner does not issue points, so it needs no --rate and no --price."
)
@click.option("--no-redeemer", is_flag=True, help="The partner does not redeem points.")
@click.option("--onboarding", is_flag=True, help="Begin with onboarding, as a real partner does.")
@noted
@json_option
@one_line_errors
def create_partner(
    *,
    code: str,
    name: str | None,
    rate: str | None,
    price: str | None,
    no_issuer: bool,
    no_redeemer: bool,
    onboarding: bool,
    decision: Decision,
    as_json: bool,
) -> None:
    name = name or code.replace("-", " ").title()
    first = None if onboarding else _terms(rate, price, issues=not no_issuer)
    if onboarding and (rate or price):
        raise click.UsageError("with --onboarding, use `rate set` and `agreement create` before `partner activate`")
    with desk() as ctx, changing_terms(ctx) as session:
        if onboarding:
            made = accounts.onboard(
                session,
                decision.act(ctx),
                code=code,
                name=name,
                is_issuer=not no_issuer,
                is_redeemer=not no_redeemer,
            )
        else:
            act = decision.act(ctx)
            made = terms.take_on(session, act, code=code, name=name, terms=first, is_redeemer=not no_redeemer)
    answer(shown(made), f"{made.name} is {ids.show(ids.PARTNER, made.partner_id)}", as_json=as_json)


@partner.command(
    "default",
    help=(
        "Declare that CODE, which is suspended or has left, stopped paying. What it owes is paid from its deposit, "
        "then by the coalition."
    ),
)
@click.argument("code")
@click.option("--approved-by", help="The second person, if the settlement policy asks for two.")
@decided
@json_option
@one_line_errors
def default_partner(*, code: str, approved_by: str | None, decision: Decision, as_json: bool) -> None:
    with desk() as ctx, ctx.database.transaction() as session:
        act = replace(decision.act(ctx), approved_by=approved_by)
        made = defaults.declare(session, act, partner_id=owner(session, code))
    said = f"{code} is in default since {made.declared_at:%Y-%m-%d %H:%M}, as {made.declared_by} decided"
    report(made, f"{said}; payments covered: {made.covered}", as_json=as_json)


def _terms(rate: str | None, price: str | None, *, issues: bool) -> Terms | None:
    if not issues:
        if rate or price:
            raise click.UsageError("a partner that issues no points has no --rate and no --price")
        return None
    if rate is None or price is None:
        raise click.UsageError("a partner that issues points needs a --rate and a --price; for another use --no-issuer")
    return Terms(rates.points(rate), agreements.price(price))
