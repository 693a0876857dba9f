"""`coalition ledger verify`: for the operator."""

from __future__ import annotations

import json
import sys

import click
from tqdm import tqdm

from coalition import verify as verification
from kit.terminal import desk, json_option, one_line_errors, say


@click.group()
def ledger() -> None:
    """The points ledger."""


@ledger.command()
@json_option
@one_line_errors
def verify(*, as_json: bool) -> None:
    """Recompute every invariant from the rows; exit with 1 and name the first row that breaks one."""
    with desk() as at, at.database.transaction() as session:
        verification.snapshot(session)
        findings = []
        # On standard error, and only where somebody looks on: a large ledger takes minutes.
        bar = tqdm(verification.run(session), total=verification.COUNT, unit="invariant", leave=False, disable=None)
        for finding in bar:
            findings.append(finding)
            if not as_json:
                with bar.external_write_mode():
                    say(f"{'FAIL' if finding.broken else 'ok  '} {finding.invariant}")
                    if finding.broken:
                        say(f"     {finding.broken}")
    broken = [finding for finding in findings if finding.broken]
    if as_json:
        say(json.dumps({"clean": not broken, "findings": [vars(finding) for finding in findings]}))
    else:
        say(f"{len(broken)} of {len(findings)} invariants broken" if broken else "the ledger is clean")
    sys.exit(1 if broken else 0)
