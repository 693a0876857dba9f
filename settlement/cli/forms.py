"""The options that commands share which make a report, and where the report goes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from kit.terminal import say
from settlement.files import reports
from settlement.files.reports import Report

OUTPUT = click.Path(dir_okay=False, path_type=Path)


@contextmanager
def written(output: Path | None) -> Iterator[IO[bytes]]:
    """Where a file goes: to its place once it is whole, or to whoever reads what the command prints."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("wb") as out:
            yield out
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


def form_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--format` and `--output`, for `put`."""
    output = click.option("--output", type=OUTPUT, help="The file to write to, instead of the terminal.")
    form = click.option("--format", "form", type=click.Choice(reports.FORMS), default="table", show_default=True)
    return form(output(command))


def require_file(form: str, output: Path | None) -> None:
    """Refuse to print what only a file can hold."""
    if output is None and form in reports.BINARY:
        raise click.UsageError(f"--format {form} needs an --output")


def put(made: Report, form: str, output: Path | None) -> None:
    """Print a report, or write it to a file, which takes its name once it is whole."""
    with written(output) as out:
        reports.write(made, form, out)
    if output is not None:
        say(f"wrote {output}")
