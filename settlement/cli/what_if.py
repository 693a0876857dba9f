"""`coalition settlement what-if`: settled days under other terms, for the coalition's admin. It changes nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from kit.terminal import answer, desk, json_option, one_line_errors
from partners.cli.records import owner
from settlement import agreements, statements, tables
from settlement import what_if as what_ifs
from settlement.agreement_terms import TERMS
from settlement.cli.accounting import span_options
from settlement.cli.agreement_terms import named, term_options
from settlement.cycles import Span
from settlement.supposed import PRICING

OPTIONS = ", ".join(f"--{term.option}" for term in TERMS if term.name in PRICING)


@click.command(
    "what-if",
    help=(
        "Calculate the settled days from one until another again, as if partners had agreed on other terms, and print "
        "what each would receive or owe beside what was settled. Terms that you leave out stay as agreed. Nothing "
        "changes."
    ),
)
@span_options
@click.option("--partner", "codes", multiple=True, help="Whose terms, by its code. Repeat it for several partners.")
@click.option("--all-partners", is_flag=True, help="The terms of every partner that has an agreement.")
@term_options(only=PRICING)
@json_option
@one_line_errors
def what_if(
    *, first: datetime, last: datetime, codes: tuple[str, ...], all_partners: bool, as_json: bool, **given: Any
) -> None:
    terms, days = named(given), Span(first.date(), last.date())
    if not terms:
        raise click.UsageError(f"say what is different: {OPTIONS}")
    if bool(codes) == all_partners:
        raise click.UsageError("say whose terms: --partner, once or more often, or --all-partners")
    with desk() as ctx, ctx.database.reading() as session:
        whose = {owner(session, code) for code in codes}
        if all_partners:
            whose = {one.partner_id for one in agreements.everything(session)}
        found = what_ifs.compare(session, days, dict.fromkeys(whose, terms))
        shown = what_ifs.table(found, days, statements.parties(session))
    said = {name: value for name, value in given.items() if value is not None}
    data = {"first_day": days.first, "last_day": days.last, "terms": said, "data": shown.dicts}
    answer(data, tables.as_text(shown), as_json=as_json)
