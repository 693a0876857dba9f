"""Composition root of the `coalition` command."""

from __future__ import annotations

import os
import signal
import threading
from functools import partial

import click

from coalition.cli import ledger
from console import beside
from console.certify.cli import certify
from console.cli import demo, replay
from console.run import coalition_up, describe
from console.sandbox_cli import sandbox_commands
from kit import logins, schema, settings
from kit.errors import CoalitionError
from kit.supervisor import print_json, print_line
from kit.terminal import engines, fail, one_line_errors, say, wants_sandbox
from partners.accounts_cli import partner
from partners.audit_cli import audit_commands
from partners.batches_cli import batch
from partners.cli import client
from partners.member_desk_cli import explain_member, find_member, show_member
from partners.members_cli import member
from partners.oauth.cli import oauth
from partners.programme_cli import programme_rules
from partners.rates_cli import rate
from settlement.agreements_cli import agreement
from settlement.cli import settlement
from settlement.partner_cli import create_partner


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="coalition")
@click.option("--sandbox", is_flag=True, help="Do the command at the sandbox, not at live.")
def main(*, sandbox: bool) -> None:
    """The engine of a coalition loyalty programme. Settings are COALITION_* variables; the README lists them."""


@main.command()
@one_line_errors
def up() -> None:
    """Run everything in the foreground: engines, web, workers, cron. Ctrl-C ends it all in order."""
    if wants_sandbox():
        fail("coalition up serves live and the sandbox beside it; leave --sandbox out")
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    chosen = settings.from_environment(os.environ)
    sink = print_json if chosen.log_format == "json" else print_line
    tell = partial(sink, "up") if chosen.log_format == "json" else say
    with coalition_up(chosen, sink=sink) as running:
        tell(describe(running))
        over.wait()
        tell("stopping …")


@main.group()
def db() -> None:
    """The database."""


@db.command()
@one_line_errors
def migrate() -> None:
    """Bring the database to the schema of this version."""
    with engines() as chosen:
        if chosen.database_owner_url is None:
            fail("migrating takes the owner of the tables; set COALITION_DATABASE_OWNER_URL")
        logins.prepare(chosen, migrate=True)
        say(f"the database is at revision {schema.head()}")
        if chosen.sandbox != "beside":
            return
        try:
            beside.prepare(chosen)
            say(f"that of the sandbox is at revision {schema.head()}")
        except CoalitionError as error:
            say(f"no sandbox: {error.detail}")


@db.command()
@one_line_errors
def distribute() -> None:
    """Spread members, with all that is theirs, over the nodes of a Citus cluster; needs that extension."""
    with engines() as chosen:
        done = schema.distribute(str(chosen.database_owner_url), report=say)
    say("the database is distributed by member" if done else "the database was distributed before")


partner.add_command(create_partner)
for command in (find_member, show_member, explain_member):
    member.add_command(command)
for command in (
    ledger,
    programme_rules,
    member,
    partner,
    client,
    audit_commands,
    rate,
    batch,
    oauth,
    agreement,
    settlement,
    sandbox_commands,
    replay,
    demo,
    certify,
):
    main.add_command(command)

if __name__ == "__main__":
    main()
