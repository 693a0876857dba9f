"""`coalition settlement journal`: what settlements are in the books of the companies."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from kit.terminal import desk, one_line_errors
from partners import accounts as partners
from partners.cli.records import DAY
from settlement import statements
from settlement.accounting import accounts, journal_files
from settlement.accounting import journal as journals
from settlement.cli.proofs import FILE


def span_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--from` and `--until`: it gets them as `first` and `last`."""
    last = click.option("--until", "last", type=DAY, required=True, help="The last business day.")
    return click.option("--from", "first", type=DAY, required=True, help="The first business day.")(last(command))


@click.command(
    help=(
        "Print the settled days from one day until another as double-entry bookkeeping, and the payments of their "
        "runs, for each company's own books. A second run gives the same bytes."
    ),
)
@span_options
@click.option(
    "--format", "form", type=click.Choice(list(journal_files.FORMATS)), default="beancount", show_default=True
)
@click.option(
    "--accounts", "file", type=FILE, help="A TOML or JSON file that says which accounts the companies have for what."
)
@click.option("--company", help="Only the books of this partner, by its code, or of `coalition`.")
@click.option("--without-open", is_flag=True, help="Leave out the accounts' opening: they are open in your books.")
@one_line_errors
def journal(
    *, first: datetime, last: datetime, form: str, file: Path | None, company: str | None, without_open: bool
) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        codes = {party.code for party in statements.parties(session).values()}
        if company is not None and company not in codes:
            raise partners.PartnerNotFound(f"there is no company {company!r}")
        if file is None:
            chosen = accounts.DEFAULT
        else:
            with file.open("rb") as opened:
                chosen = accounts.read(opened.read(accounts.LONGEST_FILE_BYTES + 1), companies=codes)
        made = journals.read(session, first.date(), last.date(), accounts=chosen, company=company)
    for part in journal_files.FORMATS[form](made, with_open=not without_open):
        click.echo(part, nl=False)
