"""`coalition partner create`: a partner for real, which begins with onboarding, or at once, on the operator's word."""

from __future__ import annotations

import click

from coalition import rates
from kit import clock, ids
from kit.terminal import answer, desk, json_option, one_line_errors
from partners import accounts
from partners.accounts_cli import shown
from partners.audit_cli import write_down_of
from partners.lifecycle import Step
from settlement import agreements, terms
from settlement.terms import Terms


@click.command("create")
@click.argument("code")
@click.option("--name", help="How people call it; made from the code if left out.")
@click.option("--rate", help="Points (a decimal) that 1.00 earns at it, from today on.")
@click.option("--price", help="Minor units (a decimal) it pays for each of its points burned elsewhere, from today on.")
@click.option("--no-issuer", is_flag=True, help="It does not issue points, and needs neither.")
@click.option("--no-redeemer", is_flag=True, help="It does not take points.")
@click.option("--onboarding", is_flag=True, help="Let it begin with onboarding, as a real partner does.")
@click.option("--by", "made_by", default="the operator", show_default=True, help="Who vouches for it.")
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
    made_by: str,
    as_json: bool,
) -> None:
    """Create the partner CODE: active at once on somebody's word, or with --onboarding once its papers are in order."""
    name = name or code.replace("-", " ").title()
    step = Step(f"vouched for by {made_by}", made_by, clock.now())
    first = None if onboarding else _terms(rate, price, issues=not no_issuer)
    if onboarding and (rate or price):
        raise click.UsageError("with --onboarding, `rate set` and `agreement create` come before `partner activate`")
    with desk() as at, at.database.transaction() as session:
        if onboarding:
            made = accounts.onboard(
                session, code=code, name=name, now=step.now, made_by=made_by, is_issuer=not no_issuer,
                is_redeemer=not no_redeemer,
            )  # fmt: skip
            write_down_of(at, session, "partner.onboarded", made, "partner_id")
        else:
            made = terms.take_on(session, code=code, name=name, terms=first, step=step, is_redeemer=not no_redeemer)
            write_down_of(at, session, "partner.created", made, "partner_id", rate=rate, price=price)
    answer(shown(made), f"{made.name} is {ids.show(ids.PARTNER, made.partner_id)}", as_json=as_json)


def _terms(rate: str | None, price: str | None, *, issues: bool) -> Terms | None:
    if not issues:
        if rate or price:
            raise click.UsageError("a partner that issues no points has no --rate and no --price")
        return None
    if rate is None or price is None:
        raise click.UsageError("whoever issues points needs a --rate and a --price; others say --no-issuer")
    return Terms(rates.points(rate), agreements.price(price))
