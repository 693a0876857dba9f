"""`coalition certify`: our scenarios against a partner's integration, and a report of what came of them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

import click

from coalition import programme
from console.certify import conduct, receiver
from console.certify.conduct import Asked, Conduct, HandedIn
from console.certify.report import Part, Report
from kit import clock, ids
from kit.db import Session
from kit.terminal import Desk, desk, fail, one_line_errors, say
from partners import accounts, batch_files, request_log
from partners.oauth import tokens
from partners.request_log import Record
from webhooks import endpoints
from webhooks.addresses import LOOPBACK, check_url
from webhooks.sender import Sender

USUAL_WINDOW = timedelta(days=1)
MOST_REQUESTS = 50_000
LONGEST_SECRET = 200


@click.command()
@click.argument("partner_code")
@click.option("--endpoint", "url", help="Try this endpoint instead of those the partner registered.")
@click.option("--secret-file", type=click.File("r"), help="Its secret (whsec_…), from a file or - for standard input.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="UTC; a day ago, if left out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the report here as well.")
@one_line_errors
def certify(
    *,
    partner_code: str,
    url: str | None,
    secret_file: TextIO | None,
    since: datetime | None,
    as_json: bool,
    output: Path | None,
) -> None:
    """Judge the integration of PARTNER_CODE by what its clients did and by how its webhook endpoints answer.

    Ends with 1 if it is not certified. Endpoints are sent events that did not happen: use some that are for that.
    """
    if (url is None) != (secret_file is None):
        raise click.UsageError("an --endpoint needs its --secret-file")
    given = None if url is None or secret_file is None else (url, secret_file.read(LONGEST_SECRET).strip())
    with desk() as at:
        report = asyncio.run(_certify(at, partner_code, since=since, given=given))
    text = json.dumps(report.as_data(), indent=1, ensure_ascii=False) if as_json else report.as_markdown()
    if output is not None:
        output.write_text(text, "utf-8")
    say(text)
    sys.exit(0 if report.is_certified else 1)


async def _certify(at: Desk, partner_code: str, *, since: datetime | None, given: tuple[str, str] | None) -> Report:
    now = clock.now()
    begin = since.replace(tzinfo=UTC) if since else now - USUAL_WINDOW
    with at.database.transaction() as session:
        partner = accounts.by_code(session, partner_code)
        done = _conduct(session, partner.partner_id, since=begin)
        places = [given] if given else _registered(session, partner.partner_id, at)
        is_demo = programme.get(session).is_demo
    parts = [Part("What its clients did", conduct.judge(done))]
    allowed = at.settings.webhook_allowed_networks + (LOOPBACK if is_demo else ())
    for url, _ in places:
        check_url(url, allow_http=at.settings.webhook_allow_http or is_demo, allowed=allowed)
    async with Sender(keyring=at.keyring, timeout_s=at.settings.webhook_timeout_s, allowed=lambda: allowed) as sender:
        for url, secret in places:
            found = await receiver.try_out(receiver.Endpoint(url, secret, sender))
            parts.append(Part(f"How {url} answers", found))
    if not places:
        parts.append(Part("How its endpoint answers (it has none that is enabled)", receiver.unseen()))
    return Report(partner.name, now, begin, len(done.asked), parts)


def _registered(session: Session, partner_id: UUID, at: Desk) -> list[tuple[str, str]]:
    return [
        (one.url, endpoints.secret_of(session, endpoint_id=one.endpoint_id, keyring=at.keyring))
        for one in endpoints.of_partner(session, partner_id)
        if one.status == "enabled"
    ]


def _conduct(session: Session, partner_id: UUID, *, since: datetime) -> Conduct:
    records = request_log.of_partner(session, partner_id=partner_id, since=since, limit=MOST_REQUESTS)
    if len(records) == MOST_REQUESTS:
        fail(f"there are {MOST_REQUESTS} requests and more since then; begin later with --since")
    return Conduct(
        asked=[_asked(one) for one in records],
        tokens=tokens.issued(session, partner_id=partner_id, since=since),
        files=[
            HandedIn(ids.show(ids.BATCH, one.batch_id), one.latest_s)
            for one in batch_files.lateness(session, partner_id=partner_id, since=since)
        ],
    )


def _asked(record: Record) -> Asked:
    return Asked(
        request_id=record.request_id,
        at=record.at,
        method=record.method,
        path=record.path,
        status=record.status,
        code=record.code,
        key=record.idempotency_key,
        body=_object(_object(record.sent).get("body")),
        answer=_object(record.answer),
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
