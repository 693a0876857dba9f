"""`coalition certify`: our scenarios against a partner's integration, and a report of what came of them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

import click

from api import batch_files
from coalition import programme
from identity import request_log
from identity.oauth import tokens
from identity.request_log import Record
from kit import clock, ids
from kit.db import Session
from kit.terminal import Desk, desk, fail, one_line_errors, say
from ops.certify import client_checks, receiver
from ops.certify.client_checks import ClientHistory, HandedIn, RecordedRequest
from ops.certify.report import Part, Report
from partners import accounts
from webhooks import endpoints, signing
from webhooks.addresses import LOOPBACK, check_url
from webhooks.sender import Sender
from webhooks.targets import Target, Targets

USUAL_WINDOW = timedelta(days=1)
MOST_REQUESTS = 50_000
LONGEST_SECRET = 200


@click.command(
    help=(
        "Certify the integration of PARTNER_CODE by what its clients did and how its webhook endpoints answer.\n\n"
        "Exits with 1 if the partner is not certified. We send the endpoints events that did not happen, so use "
        "endpoints made for tests."
    )
)
@click.argument("partner_code")
@click.option("--endpoint", "url", help="Test this endpoint instead of the partner's registered ones.")
@click.option(
    "--secret-file", type=click.File("r"), help="A file with the endpoint's secret (whsec_…), or - for standard input."
)
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]), help="UTC. If you leave it out: one day ago."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Also write the report to this file.")
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
    if (url is None) != (secret_file is None):
        raise click.UsageError("an --endpoint needs its --secret-file")
    given = None if url is None or secret_file is None else (url, secret_file.read(LONGEST_SECRET).strip())
    with desk() as ctx:
        report = asyncio.run(_certify(ctx, partner_code, since=since, given=given))
    text = json.dumps(report.as_data(), indent=1, ensure_ascii=False) if as_json else report.as_markdown()
    if output is not None:
        output.write_text(text, "utf-8")
    say(text)
    sys.exit(0 if report.is_certified else 1)


# Its URL, secret, who signs v1a, and the endpoint if it is registered.
Place = tuple[str, str, signing.Signer | None, Target | None]


async def _certify(ctx: Desk, partner_code: str, *, since: datetime | None, given: tuple[str, str] | None) -> Report:
    now = clock.now()
    begin = since.replace(tzinfo=UTC) if since else now - USUAL_WINDOW
    with ctx.database.reading() as session:
        partner = accounts.by_code(session, partner_code)
        done = _history(session, partner.partner_id, since=begin)
        places: list[Place] = [(*given, None, None)] if given else _registered(session, partner.partner_id, ctx)
        is_demo = programme.get(session).is_demo
    parts = [Part("What the partner's clients did", client_checks.run(done))]
    allowed = ctx.settings.webhook_allowed_networks + (LOOPBACK if is_demo else ())
    for url, *_ in places:
        check_url(url, allow_http=ctx.settings.webhook_allow_http or is_demo, allowed=allowed)
    settings = ctx.settings
    async with Sender(
        keyring=ctx.keyring,
        timeout_s=settings.webhook_timeout_s,
        allowed=lambda: allowed,
        proxy=settings.webhook_proxy,
    ) as sender:
        for url, secret, signer, target in places:
            found = await receiver.try_out(receiver.Endpoint(url, secret, sender, signer, target))
            parts.append(Part(f"How {url} answers", found))
    if not places:
        parts.append(Part("How the partner's endpoint answers (it has no enabled endpoint)", receiver.unseen()))
    return Report(partner.name, now, begin, len(done.requests), parts)


def _registered(session: Session, partner_id: UUID, ctx: Desk) -> list[Place]:
    signer = partial(ctx.keyring.sign, purpose=signing.purpose(partner_id))
    enabled = [one for one in endpoints.of_partner(session, partner_id) if one.status == "enabled"]
    targets = Targets()
    targets.ensure(session, [(one.endpoint_id, one.version) for one in enabled])
    return [
        (
            one.url,
            endpoints.secret_of(session, endpoint_id=one.endpoint_id, keyring=ctx.keyring),
            signer if "v1a" in one.signatures else None,
            targets[one.endpoint_id],
        )
        for one in enabled
    ]


def _history(session: Session, partner_id: UUID, *, since: datetime) -> ClientHistory:
    records = request_log.of_partner(session, partner_id=partner_id, since=since, limit=MOST_REQUESTS)
    if len(records) == MOST_REQUESTS:
        fail(f"there are {MOST_REQUESTS} requests or more since then; choose a later --since")
    return ClientHistory(
        requests=[_recorded(one) for one in records],
        tokens=tokens.issued(session, partner_id=partner_id, since=since),
        files=[
            HandedIn(ids.show(ids.BATCH, one.batch_id), one.latest_s)
            for one in batch_files.lateness(session, partner_id=partner_id, since=since)
        ],
    )


def _recorded(record: Record) -> RecordedRequest:
    return RecordedRequest(
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
