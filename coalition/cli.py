"""`coalition ledger verify | seal`: for the operator."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

import click
from tqdm import tqdm

from coalition import business_days, programme, seals
from coalition import verify as verification
from coalition.business_days import DayNotClosed, Seal
from kit.db import Session
from kit.terminal import answer, desk, json_option, one_line_errors, say

expect_option = click.option(
    "--expect",
    multiple=True,
    metavar="SEAL",
    help=(
        "A published seal that the books have to contain: DAY:CHAIN, or a file that holds one (a statement, or the "
        "JSON of `ledger seal`). You can repeat this option."
    ),
)


@click.group(help="The points ledger.")
def ledger() -> None:
    pass


@ledger.command(
    help="Check every invariant against the rows. If one is broken, name the first row that breaks it and exit with 1."
)
@expect_option
@json_option
@one_line_errors
def verify(*, expect: tuple[str, ...], as_json: bool) -> None:
    published = [seals.published(given) for given in expect]
    with desk() as ctx, ctx.database.reading() as session:
        verification.snapshot(session)
        programme.require_key(session, ctx.keyring)
        findings = []
        # On standard error, and only where somebody looks on: a large ledger takes minutes.
        checks = verification.run(session, keyring=ctx.keyring, published=published)
        bar = tqdm(checks, total=verification.count(), unit="invariant", leave=False, disable=None)
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


@ledger.command(
    help=(
        "Show the seal of DAY and its signatures, to publish them and to check them later. If you leave DAY out: the "
        "last sealed day."
    )
)
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]), required=False)
@json_option
@one_line_errors
def seal(*, day: datetime | None, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        data = _shown(
            session, business_days.find_seal(session, day.date()) if day else business_days.last_sealed(session)
        )
    lines = [f"{data['day']}:{data['chain']}", f"{data['postings']} postings, digest {data['digest']}"]
    for each in data["signatures"]:
        lines += ["", each["signed"].rstrip(), f"public key {each['public_key']}", f"signature {each['signature']}"]
    answer(data, "\n".join(lines), as_json=as_json)


def _shown(session: Session, found: Seal | None) -> dict[str, Any]:
    if found is None:
        raise DayNotClosed("the day is closed and not sealed yet")
    programme_id = programme.get(session).programme_id
    return {
        "day": found.day.isoformat(),
        "version": found.version,
        "postings": found.postings,
        "totals": found.totals,
        "digest": found.digest.hex(),
        "chain": found.chain.hex(),
        "signatures": [
            {
                "signed": seals.signed_text(programme_id, each.day, found.chain, each.signed_at, adopts=each.adopts),
                "public_key": each.public_key.hex(),
                "signature": each.signature.hex(),
            }
            for each in seals.of_day(session, found.day)
        ],
    }
