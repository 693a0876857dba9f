"""`coalition settlement movements | breakage | …`: figures of settled days as tables, for the coalition's admin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from kit.db import Session
from kit.terminal import desk, one_line_errors
from partners.cli.records import DAY, owner
from settlement import figures
from settlement.cli.accounting import span_options
from settlement.cli.forms import form_options, put, require_file
from settlement.cycles import Span
from settlement.files.reports import Report


def _of_span(name: str, text: str, make: Callable[[Session, Span], Report]) -> click.Command:
    """A command that makes a report of settled days."""

    @click.command(name, help=text)
    @span_options
    @form_options
    @one_line_errors
    def command(*, first: datetime, last: datetime, form: str, output: Path | None) -> None:
        _show(form, output, lambda session: make(session, Span(first.date(), last.date())))

    return command


def _show(form: str, output: Path | None, make: Callable[[Session], Report]) -> None:
    require_file(form, output)
    with desk() as ctx, ctx.database.reading() as session:
        made = make(session)
    put(made, form, output)


movements = _of_span(
    "movements",
    "Print how points moved from one settled day until another: opening, issued, redeemed, expired, repriced, "
    "closing, in points and money, by issuer and month of issue. The points are those of the days' seals.",
    figures.movements,
)
breakage = _of_span(
    "breakage",
    "Print by issuer how many points expired from one settled day until another, and how many of those that are "
    "outstanding at the end are expected to.",
    figures.breakage,
)
matrix = _of_span(
    "matrix",
    "Print whose points were redeemed where from one settled day until another, and what is owed for them.",
    figures.matrix,
)


@click.command(help="Print what outstanding points come to at the end of a settled day, by issuer and age.")
@click.option("--on", "day", type=DAY, help="The day. If you leave it out: the last settled one.")
@form_options
@one_line_errors
def liability(*, day: datetime | None, form: str, output: Path | None) -> None:
    _show(form, output, lambda session: figures.liability(session, day.date() if day else None))


@click.command(
    help=(
        "Print what issuers owe now for their points that nothing covers, and their limits; of PARTNER_CODE only, if "
        "given. It is the points outstanding, what is owed and not paid, and what was owed since the last settled day, "
        "less the deposit."
    )
)
@click.argument("partner_code", required=False)
@form_options
@one_line_errors
def exposure(*, partner_code: str | None, form: str, output: Path | None) -> None:
    def make(session: Session) -> Report:
        return figures.exposure(session, owner(session, partner_code) if partner_code else None)

    _show(form, output, make)


@click.command(
    help="Print what was paid in the place of partners in default: from their deposits, and by the coalition."
)
@form_options
@one_line_errors
def claims(*, form: str, output: Path | None) -> None:
    _show(form, output, figures.claims)
