"""`coalition sandbox …`: what a new partner needs to try the API without anybody's real points."""

from __future__ import annotations

from dataclasses import replace

import click

from kit import audit_cli
from kit.terminal import answer, desk, json_option, one_line_errors
from ops import onboarding, sandbox_setup
from ops.onboarding import Desk, Onboarded
from partners.cli.records import Decision, noted


@click.group("sandbox", help="The sandbox beside live, with partners, points and members for tests.")
def sandbox_commands() -> None:
    pass


@sandbox_commands.command(
    "partner",
    help=(
        "Create the test partner NAME with everything it needs, a client, and test members. We show the secret only "
        "this once."
    ),
)
@click.argument("name")
@click.option("--code", help="The partner's code. If you leave it out: made from the name.")
@noted
@json_option
@one_line_errors
def partner(*, name: str, code: str | None, decision: Decision, as_json: bool) -> None:
    with desk(of_sandbox=True) as ctx:
        founded = sandbox_setup.found(ctx)
        with ctx.database.transaction() as session:
            act = audit_cli.act(ctx, reason=decision.reason or onboarding.WHY, by=decision.made_by)
            things = Desk(session, founded, replace(act, now=founded.time(act.now)))
            made = onboarding.onboard(things, name=name, code=code or onboarding.code_of(name))
    base_url = ctx.settings.issuer
    answer(made.as_data(base_url, ctx.keyring), _text(made, base_url), as_json=as_json)


def _text(made: Onboarded, base_url: str) -> str:
    lines = [
        f"{made.partner.name} is {made.partner.code}, active in the sandbox",
        f"base URL       {base_url}",
        f"client_id      {made.client_id}",
        f"client_secret  {made.client_secret}   (keep it: it is not shown again)",
        "test members, by card:",
        *(
            f"  {each.card}  {each.points:>5} points{' and a PIN, ' + each.pin if each.pin else ''}"
            for each in made.members
        ),
        f"{onboarding.NEIGHBOUR_NAME}, another partner in the sandbox, issued their points",
    ]
    return "\n".join(lines)
