"""`coalition programme`, `coalition ledger close-day | sign`: what an operator changes in the programme, audited."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import click

from coalition import business_days, closing, programme, seals, verify
from coalition.cli import expect_option, ledger
from kit import clock
from kit.terminal import answer, desk, fail, json_option, one_line_errors
from partners.audit_cli import write_down


@ledger.command("close-day")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]), required=False)
@click.option(
    "--early", is_flag=True, help="In a sandbox or a demo: the open day, though it is not over, to try a night."
)
@json_option
@one_line_errors
def close_day(*, day: datetime | None, early: bool, as_json: bool) -> None:
    """End the business day DAY (the last that is over, if left out) with all before it: close, expire, seal.

    The nightly job does this and settles the day; here it is for those who settle elsewhere. It can't be undone.
    """
    if early and day:
        raise click.UsageError("--early ends the open day, so leave DAY out")
    with desk() as at:
        with at.database.transaction() as session:
            business_days.close_over(session, now=clock.now())
            if early:
                if not (at.settings.is_sandbox or programme.get(session).is_demo):
                    fail("--early works in a sandbox or a demo only: `coalition --sandbox ledger close-day --early`")
                business_days.close_early(session, now=clock.now())
            chosen = day.date() if day else programme.get(session).open_day - timedelta(days=1)
        seal = closing.close_day(at.database, day=chosen, now=clock.now(), keyring=at.keyring)
        with at.database.transaction() as session:
            write_down(at, session, "day.closed", seal.day.isoformat(), chain=seal.chain.hex())
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


@ledger.command("sign")
@expect_option
@json_option
@one_line_errors
def adopt_books(*, expect: tuple[str, ...], as_json: bool) -> None:
    """Adopt the books up to the last sealed day: sign its seal for all days before it, with the key of today.

    For books that were sealed before seals were signed, and after a change of the secret key. Who writes the database
    may have changed what nobody signed: give a seal that was published with --expect.
    """
    published = [seals.published(given) for given in expect]
    with desk() as at:
        with at.database.transaction() as session:
            verify.snapshot(session)
            programme.require_key(session, at.keyring)
            broken = [finding.broken for finding in verify.seals_of(session, published=published) if finding.broken]
            last = business_days.last_sealed(session)
        if broken:
            fail(f"not signed: {broken[0]}")
        with at.database.transaction() as session:
            signed = seals.sign(
                session, day=last.day, chain=last.chain, now=clock.now(), keyring=at.keyring, adopts=True
            )
            write_down(at, session, "books.adopted", last.day.isoformat(), chain=last.chain.hex())
    answer(
        {"day": last.day.isoformat(), "chain": last.chain.hex(), "public_key": signed.public_key.hex()},
        f"signed: the books up to {last.day}, chain {last.chain.hex()}",
        as_json=as_json,
    )


_PIN_LIMITS: dict[str, str | int | None] = {"pin_free_points": None, "pin_free_points_per_day": None}


@click.command("programme")
@click.option("--expiry-months", type=click.IntRange(1, 120), help="How long points live that are earned from now on.")
@click.option(
    "--return-policy", type=click.Choice(["within_balance", "owed", "refuse"]), help="Returns of spent points."
)
@click.option("--grace-days", type=click.IntRange(1, 3650), help="How long points live that return after their expiry.")
@click.option("--warn-days", type=click.IntRange(1, 3650), help="How long before an expiry issuers hear of it.")
@click.option("--adjustment-limit", type=click.IntRange(0), help="Points one person may adjust alone.")
@click.option("--pin-free-points", type=click.IntRange(0), help="Points spent at once without PIN, code or consent.")
@click.option(
    "--pin-free-points-per-day", type=click.IntRange(0), help="Points a member so spends a day, at all partners."
)
@click.option("--no-pin-limit", is_flag=True, help="Any number of points may be spent without them.")
@json_option
@one_line_errors
def programme_rules(*, as_json: bool, no_pin_limit: bool, **wanted: str | int | None) -> None:
    """Show the programme's rules, or change those that are given."""
    given: dict[str, str | int | None] = {name: value for name, value in wanted.items() if value is not None}
    if no_pin_limit:
        if given.keys() & _PIN_LIMITS.keys():
            raise click.UsageError("--no-pin-limit contradicts the limits")
        given |= _PIN_LIMITS
    with desk() as at, at.database.transaction() as session:
        rules = replace(programme.rules(session), **given)  # type: ignore[arg-type]
        if given:
            programme.set_rules(session, rules)
            write_down(at, session, "programme.changed", "programme", **given)
    answer(vars(rules), "\n".join(f"{name:<24} {value}" for name, value in vars(rules).items()), as_json=as_json)
