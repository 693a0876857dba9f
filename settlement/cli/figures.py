"""`coalition settlement movements | breakage | …`: figures of settled days as tables, for the coalition's admin."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from kit.terminal import desk, one_line_errors, say
from partners.cli.records import DAY, owner
from settlement import defaults, flows, settled_days, statements, tables
from settlement import exposure as exposures
from settlement.accounting import breakage as breakages
from settlement.accounting import liability as liabilities
from settlement.accounting import movements as movement_rows
from settlement.cli.accounting import span_options
from settlement.cli.proofs import FILE
from settlement.pictures.flows import draw
from settlement.reports import DayNotSettled
from settlement.tables import Table

format_option = click.option(
    "--format", "form", type=click.Choice(list(tables.FORMATS)), default="table", show_default=True
)
output_option = click.option("--output", type=FILE, help="The file to write to, instead of the terminal.")


def put(made: Table, form: str, output: Path | None) -> None:
    """Print a table, or write it to a file."""
    said = tables.FORMATS[form](made)
    if output is None:
        say(said)
    else:
        output.write_text(said + "\n", "utf-8")


@click.command(
    help=(
        "Print how points moved from one settled day until another: opening, issued, redeemed, expired, repriced, "
        "closing, in points and money, by issuer and month of issue. The points are those of the days' seals."
    )
)
@span_options
@format_option
@output_option
@one_line_errors
def movements(*, first: datetime, last: datetime, form: str, output: Path | None) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        rows = movement_rows.read(session, first.date(), last.date())
    put(movement_rows.table(rows, first.date(), last.date()), form, output)


@click.command(
    help=(
        "Print by issuer how many points expired from one settled day until another, and how many of those that are "
        "outstanding at the end are expected to."
    )
)
@span_options
@format_option
@output_option
@one_line_errors
def breakage(*, first: datetime, last: datetime, form: str, output: Path | None) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        rows = breakages.read(session, first.date(), last.date())
    put(breakages.table(rows, first.date(), last.date()), form, output)


@click.command(help="Print what outstanding points come to at the end of a settled day, by issuer and age.")
@click.option("--on", "day", type=DAY, help="The day. If you leave it out: the last settled one.")
@format_option
@output_option
@one_line_errors
def liability(*, day: datetime | None, form: str, output: Path | None) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        chosen = day.date() if day else settled_days.last(session)
        if chosen is None:
            raise DayNotSettled("no day is settled yet")
        rows = movement_rows.read(session, chosen, chosen)
    put(liabilities.table(rows, chosen), form, output)


@click.command(
    help="Print whose points were redeemed where from one settled day until another, and what is owed for them."
)
@span_options
@format_option
@output_option
@one_line_errors
def matrix(*, first: datetime, last: datetime, form: str, output: Path | None) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        pairs = flows.matrix(session, first.date(), last.date())
    put(flows.table(pairs, first.date(), last.date()), form, output)


@click.command(help="Draw who owes whom from one settled day until another, as an SVG picture.")
@span_options
@click.option("--output", type=FILE, required=True, help="The file to write.")
@one_line_errors
def picture(*, first: datetime, last: datetime, output: Path) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        found = flows.between(session, first.date(), last.date())
    output.write_text(draw(found, first.date(), last.date()), "utf-8")
    say(f"{output}: {len(found)} flows")


@click.command(
    help=(
        "Print what issuers owe now for their points that nothing covers, and their limits; of PARTNER_CODE only, if "
        "given. It is the points outstanding, what is owed and not paid, and what was owed since the last settled day, "
        "less the deposit."
    )
)
@click.argument("partner_code", required=False)
@format_option
@output_option
@one_line_errors
def exposure(*, partner_code: str | None, form: str, output: Path | None) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        wanted = owner(session, partner_code) if partner_code else None
        found = [one for one in exposures.read(session) if wanted in (None, one.partner_id)]
        parties = statements.parties(session)
    put(exposures.table(found, parties), form, output)


@click.command(
    help="Print what was paid in the place of partners in default: from their deposits, and by the coalition."
)
@format_option
@output_option
@one_line_errors
def claims(*, form: str, output: Path | None) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        made = defaults.table(defaults.claims(session), statements.parties(session))
    put(made, form, output)
