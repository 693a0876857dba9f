"""`coalition programme`, `coalition ledger close-day | sign`: what an operator changes in the programme, audited."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import click

from coalition import business_days, closing, programme, seals, verify
from coalition.cli import expect_option, ledger
from kit import clock
from kit.terminal import answer, desk, fail, json_option, one_line_errors
from partners.cli.records import Decision, noted


@ledger.command(
    "close-day",
    help=(
        "Close the business day DAY and all days before it: close the books, expire points, seal the days. If you "
        "leave DAY out: the last day that is over.\n\n"
        "The settlement job does this and settles the day. Use this command if you settle elsewhere. You cannot undo "
        "it."
    ),
)
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]), required=False)
@click.option(
    "--early", is_flag=True, help="In a sandbox or a demo: close the open day before it is over, to try a night."
)
@click.option(
    "--however-many",
    is_flag=True,
    help="Close the days even if they are many. Use it only if the clock is right. Needs a --reason.",
)
@noted
@json_option
@one_line_errors
def close_day(*, day: datetime | None, early: bool, however_many: bool, decision: Decision, as_json: bool) -> None:
    if early and day:
        raise click.UsageError("--early ends the open day, so leave DAY out")
    if however_many and not (decision.reason and decision.made_by):
        raise click.UsageError("--however-many closes days for good; add --reason and --by")
    with desk() as ctx:
        with ctx.database.transaction() as session:
            business_days.close_over(session, now=clock.now(), however_many=however_many)
            if early:
                if not (ctx.settings.is_sandbox or programme.get(session).is_demo):
                    fail("--early works only in a sandbox or a demo: `coalition --sandbox ledger close-day --early`")
                business_days.close_early(session, now=clock.now())
            chosen = day.date() if day else programme.get(session).open_day - timedelta(days=1)
        seal = closing.close_day(ctx.database, decision.act(ctx), day=chosen)
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


@ledger.command(
    "sign",
    help=(
        "Adopt the books up to the last sealed day: sign its seal, for all days before it, with today's key.\n\n"
        "This is for books that were sealed before we signed seals. Somebody with write access to the database can "
        "have changed unsigned days, so check against a published seal with --expect."
    ),
)
@expect_option
@noted
@json_option
@one_line_errors
def adopt_books(*, expect: tuple[str, ...], decision: Decision, as_json: bool) -> None:
    published = [seals.published(given) for given in expect]
    with desk() as ctx:
        with ctx.database.transaction() as session:
            verify.snapshot(session)
            programme.require_key(session, ctx.keyring)
            broken = [finding.broken for finding in verify.seals_of(session, published=published) if finding.broken]
            last = business_days.last_sealed(session)
        if broken:
            fail(f"not signed: {broken[0]}")
        with ctx.database.transaction() as session:
            signed = seals.adopt(session, decision.act(ctx), day=last.day, chain=last.chain)
    answer(
        {"day": last.day.isoformat(), "chain": last.chain.hex(), "public_key": signed.public_key.hex()},
        f"signed: the books up to {last.day}, chain {last.chain.hex()}",
        as_json=as_json,
    )


_PIN_LIMITS: dict[str, str | int | None] = {"pin_free_points": None, "pin_free_points_per_day": None}


@click.command("programme", help="Show the programme's rules, or change the ones you name.")
@click.option("--expiry-months", type=click.IntRange(1, 120), help="How long points earned from now on stay valid.")
@click.option(
    "--return-policy",
    type=click.Choice(["within_balance", "debt", "refuse"]),
    help="What a return of spent points does.",
)
@click.option(
    "--grace-days", type=click.IntRange(1, 3650), help="How long points that return after their expiry stay valid."
)
@click.option("--warn-days", type=click.IntRange(1, 3650), help="How long before an expiry we tell the issuer.")
@click.option("--adjustment-limit", type=click.IntRange(0), help="The most points that one person can adjust alone.")
@click.option(
    "--pin-free-points",
    type=click.IntRange(0),
    help="The most points that a member can spend at once without PIN, code or consent.",
)
@click.option(
    "--pin-free-points-per-day",
    type=click.IntRange(0),
    help="The most points that a member can spend like this in a day, at all partners.",
)
@click.option("--no-pin-limit", is_flag=True, help="Members can spend any number of points without them.")
@noted
@json_option
@one_line_errors
def programme_rules(*, decision: Decision, as_json: bool, no_pin_limit: bool, **wanted: str | int | None) -> None:
    given: dict[str, str | int | None] = {name: value for name, value in wanted.items() if value is not None}
    if no_pin_limit:
        if given.keys() & _PIN_LIMITS.keys():
            raise click.UsageError("--no-pin-limit contradicts the limits")
        given |= _PIN_LIMITS
    with desk() as ctx, ctx.database.transaction() as session:
        rules = replace(programme.rules(session), **given)  # type: ignore[arg-type]
        if given:
            programme.set_rules(session, decision.act(ctx), rules)
    answer(vars(rules), "\n".join(f"{name:<24} {value}" for name, value in vars(rules).items()), as_json=as_json)
