"""`coalition sandbox …`: what a newcomer needs to try the API without anybody's real points."""

from __future__ import annotations

import click

from console import beside, newcomer
from console.newcomer import Desk, Newcomer
from kit import clock
from kit.terminal import answer, desk, json_option, one_line_errors
from partners.audit_cli import write_down


@click.group("sandbox")
def sandbox_commands() -> None:
    """The sandbox beside live: partners, points and members that are nobody's."""


@sandbox_commands.command("partner")
@click.argument("name")
@click.option("--code", help="How commands name it; made of its name, if left out.")
@json_option
@one_line_errors
def partner(*, name: str, code: str | None, as_json: bool) -> None:
    """Make the partner NAME with all that it needs, a client, and members to try on; print what to use, this once."""
    with desk(of_sandbox=True) as at:
        founded = beside.found(at)
        with at.database.transaction() as session:
            things = Desk(session, founded, at.keyring, founded.time(clock.now()))
            made = newcomer.welcome(things, name=name, code=code or newcomer.code_of(name))
            write_down(at, session, "client.created", made.client_id, partner=made.partner.code)
    base_url = at.settings.issuer
    answer(made.as_data(base_url, at.keyring), _text(made, base_url), as_json=as_json)


def _text(made: Newcomer, base_url: str) -> str:
    lines = [
        f"{made.partner.name} is {made.partner.code}, active in the sandbox",
        f"base URL       {base_url}",
        f"client_id      {made.client_id}",
        f"client_secret  {made.client_secret}   (keep it: it is not shown again)",
        "members to try on, by card:",
        *(
            f"  {each.card}  {each.points:>5} points{' and a PIN, ' + each.pin if each.pin else ''}"
            for each in made.members
        ),
        f"their points are of {newcomer.NEIGHBOUR_NAME}, a partner of the sandbox's own",
    ]
    return "\n".join(lines)
