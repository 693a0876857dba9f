"""`coalition settlement statement`: a partner's statement of a run as a file, and the way from it to each posting."""

from __future__ import annotations

from pathlib import Path

import click

from kit import ids
from kit.terminal import desk, one_line_errors, say
from partners.cli.records import owner
from settlement import runs, statements
from settlement.cli.forms import OUTPUT, written
from settlement.cli.runs import settlement as settlement
from settlement.files import document, formats
from settlement.files.formats import Order


@settlement.command(
    "statement", help="Make the statement of the run RUN_ID (srn_…) for the partner PARTNER_CODE as a file."
)
@click.argument("run_id")
@click.argument("partner_code")
@click.option("--format", "form", type=click.Choice(formats.FORMATS), default="json", show_default=True)
@click.option("--language", type=click.Choice(formats.LANGUAGES), default="en", show_default=True)
@click.option("--output", type=OUTPUT, help="The file to write. JSON and CSV can be printed instead.")
@one_line_errors
def statement(*, run_id: str, partner_code: str, form: str, language: str, output: Path | None) -> None:
    if output is None and form in formats.BINARY:
        raise click.UsageError(f"--format {form} needs an --output")
    with desk() as ctx, ctx.database.reading() as session:
        run = runs.get(session, ids.parse(ids.SETTLEMENT_RUN, run_id))
        kept = statements.kept_of(session, run.run_id, owner(session, partner_code))
        made = document.make(session, kept, run, document.frame(session, kept, run))
        with written(output) as out:
            formats.write(session, made, Order(form, language), out)
    if output is not None:
        say(f"wrote {output}")
