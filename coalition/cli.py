"""`coalition ledger …`: for the operator."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import datetime

import click
from tqdm import tqdm

from coalition import closing, programme
from coalition import verify as verification
from kit import clock
from kit.terminal import answer, desk, json_option, one_line_errors, say


@click.group()
def ledger() -> None:
    """The points ledger."""


@ledger.command("close-day")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]), required=False)
@json_option
@one_line_errors
def close_day(*, day: datetime | None, as_json: bool) -> None:
    """End the business day DAY (the open one, if left out): book what is due, close its books, seal them.

    The nightly job does this and settles the day; here it is for those who settle elsewhere. It can't be undone.
    """
    with desk() as at:
        with at.database.transaction() as session:
            chosen = day.date() if day else programme.get(session).open_day
        seal = closing.close_day(at.database, day=chosen, now=clock.now())
    answer(
        {
            "day": seal.day.isoformat(),
            "postings": seal.postings,
            "digest": seal.digest.hex(),
            "chain": seal.chain.hex(),
        },
        f"{seal.day} is closed and sealed: {seal.postings} postings, chain {seal.chain.hex()[:16]}…",
        as_json=as_json,
    )


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


@click.command("programme")
@click.option(
    "--return-policy", type=click.Choice(["within_balance", "owed", "refuse"]), help="Returns of spent points."
)
@click.option("--grace-days", type=click.IntRange(1, 3650), help="How long points live that return after their expiry.")
@click.option("--warn-days", type=click.IntRange(1, 3650), help="How long before an expiry issuers hear of it.")
@click.option("--adjustment-limit", type=click.IntRange(0), help="Points one person may adjust alone.")
@click.option("--pin-free-points", type=click.IntRange(0), help="Points spent without PIN, rotating code or consent.")
@click.option("--no-pin-limit", is_flag=True, help="Any number of points may be spent without them (the default).")
@json_option
@one_line_errors
def programme_rules(*, as_json: bool, no_pin_limit: bool, **wanted: str | int | None) -> None:
    """Show the programme's rules, or change those that are given."""
    given: dict[str, str | int | None] = {name: value for name, value in wanted.items() if value is not None}
    if no_pin_limit:
        if "pin_free_points" in given:
            raise click.UsageError("--pin-free-points and --no-pin-limit contradict each other")
        given["pin_free_points"] = None
    with desk() as at, at.database.transaction() as session:
        rules = replace(programme.rules(session), **given)  # type: ignore[arg-type]
        if given:
            programme.set_rules(session, rules)
    answer(vars(rules), "\n".join(f"{name:<18} {value}" for name, value in vars(rules).items()), as_json=as_json)
