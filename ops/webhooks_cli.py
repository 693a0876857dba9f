"""`coalition webhooks check-receiver` and `coalition listen`: what a partner's developer tries a receiver with."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TextIO, TypeVar

import click

from kit import clock
from kit.secrets import Keyring
from kit.settings import Network
from kit.terminal import answer, json_option, one_line_errors
from ops import listener
from ops.certify import receiver
from ops.certify.report import finding_as_data, finding_as_lines
from ops.certify.results import Finding
from ops.listener import Forwarded
from ops.replay.client import PartnerClient, open_http
from webhooks import signing
from webhooks.addresses import check_url
from webhooks.cli import webhooks
from webhooks.sender import Sender

T = TypeVar("T")
TIMEOUT_S = 15.0
LONGEST_SECRET = 500
SHORTEST_KEY_BYTES = 16
SECRET, CLIENT_SECRET = "WEBHOOK_SECRET", "PARTNER_CLIENT_SECRET"
# Whoever types the command chose the address, and it is mostly their own machine's.
ANYWHERE: tuple[Network, ...] = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))
NOBODYS = Keyring(bytes(32))  # it opens nothing here: the secret is the receiver's own
timeout_option = click.option(
    "--timeout-s", type=click.FloatRange(0.1, 60), default=TIMEOUT_S, help="How long to wait for an answer, in seconds."
)


@webhooks.command(
    "check-receiver",
    help=(
        "Send the receiver at URL right and wrong messages, and grade its answers from A to F.\n\n"
        "Exits with 1 below A. The receiver gets events that did not happen, so use one made for tests. The secret "
        f"comes from --secret-file or from the environment ({SECRET})."
    ),
)
@click.argument("url")
@click.option(
    "--secret-file", type=click.File("r"), help="A file with the receiver's secret (whsec_…), or - for standard input."
)
@timeout_option
@json_option
@one_line_errors
def check_receiver(*, url: str, secret_file: TextIO | None, timeout_s: float, as_json: bool) -> None:
    check_url(url, allow_http=True, allowed=ANYWHERE)
    secret = _secret(secret_file, SECRET)
    if secret is None:
        raise click.UsageError(f"name the receiver's secret with --secret-file, or set {SECRET}")
    _check_secret(secret)

    async def try_out(sender: Sender) -> list[Finding]:
        return await receiver.try_out(receiver.Endpoint(url, secret, sender))

    findings = _with_sender(try_out, timeout_s=timeout_s)
    grade = receiver.grade(findings)
    lines = [f"Grade {grade}: {url}", ""]
    lines += [line for finding in findings for line in finding_as_lines(finding)]
    data = {"url": url, "grade": grade, "findings": [finding_as_data(one) for one in findings]}
    answer(data, "\n".join(lines), as_json=as_json)
    sys.exit(0 if grade == "A" else 1)


@click.command(
    help=(
        "Bring a partner's events to a receiver on this machine: read them from the API and post each to --forward, "
        "signed as webhooks are.\n\n"
        "Ends with Ctrl-C. Acknowledges nothing: the partner's webhooks and consumers are as they were."
    )
)
@click.option("--forward", required=True, help="The URL of the receiver, such as http://127.0.0.1:9000/hook.")
@click.option("--api", envvar="PARTNER_API_URL", required=True, help="The API's address (or PARTNER_API_URL).")
@click.option("--client-id", envvar="PARTNER_CLIENT_ID", required=True, help="The client (or PARTNER_CLIENT_ID).")
@click.option(
    "--client-secret-file", type=click.File("r"), help=f"A file with the client's secret (or {CLIENT_SECRET})."
)
@click.option("--secret-file", type=click.File("r"), help="The secret to sign with. If you leave it out: a new one.")
@click.option("--event-types", help="Only these events, separated by commas, such as points.*,member.enrolled.")
@click.option("--from-beginning", is_flag=True, help="Begin with the oldest event there is, not with those to come.")
@timeout_option
@json_option
@one_line_errors
def listen(
    *,
    forward: str,
    api: str,
    client_id: str,
    client_secret_file: TextIO | None,
    secret_file: TextIO | None,
    event_types: str | None,
    from_beginning: bool,
    timeout_s: float,
    as_json: bool,
) -> None:
    check_url(forward, allow_http=True, allowed=ANYWHERE)
    client_secret = _secret(client_secret_file, CLIENT_SECRET)
    if client_secret is None:
        raise click.UsageError(f"name the client's secret with --client-secret-file, or set {CLIENT_SECRET}")
    secret = _secret(secret_file, SECRET) or signing.new_secret()
    _check_secret(secret)
    query = {"event_types": event_types} if event_types else {}
    if not from_beginning:
        query["since"] = clock.now().isoformat()
    answer({"forward": forward, "secret": secret}, f"{forward} gets events signed with {secret}", as_json=as_json)

    async def forward_all(sender: Sender) -> None:
        async with open_http(connections=1) as http:
            client = PartnerClient(http, url=api.rstrip("/"), client_id=client_id, client_secret=client_secret)
            target = receiver.Endpoint(forward, secret, sender)
            await listener.listen(client, target, query=query, tell=lambda done: _tell(done, as_json=as_json))

    # As Ctrl-C does, for whoever started it in the background.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _with_sender(forward_all, timeout_s=timeout_s)
    except KeyboardInterrupt:
        sys.exit(0)


def _tell(done: Forwarded, *, as_json: bool) -> None:
    answer(vars(done), f"{done.type} {done.event_id}: {done.said}", as_json=as_json)
    sys.stdout.flush()


def _with_sender(work: Callable[[Sender], Awaitable[T]], *, timeout_s: float) -> T:
    async def run() -> T:
        async with Sender(keyring=NOBODYS, timeout_s=timeout_s, allowed=lambda: ANYWHERE) as sender:
            return await work(sender)

    return asyncio.run(run())


def _secret(file: TextIO | None, variable: str) -> str | None:
    found = os.environ.get(variable, "") if file is None else file.read(LONGEST_SECRET)
    return found.strip() or None


def _check_secret(secret: str) -> None:
    try:
        is_secret = len(base64.b64decode(secret.removeprefix(signing.PREFIX), validate=True)) >= SHORTEST_KEY_BYTES
    except ValueError:
        is_secret = False
    if not is_secret or not secret.startswith(signing.PREFIX):
        raise click.UsageError(f"a webhook secret is {signing.PREFIX} and the base64 of its key")
