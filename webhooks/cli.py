"""`coalition webhooks`: how delivery stands; rooms above add commands to the group."""

from __future__ import annotations

import click

from kit import clock, ids
from kit.terminal import answer, desk, json_option, one_line_errors
from webhooks import status as standing
from webhooks.status import EndpointStatus, Status


@click.group(help="Webhooks: how delivery does, and whether a receiver is right.")
def webhooks() -> None:
    pass


@webhooks.command("status", help="Show what waits, for how long, who sends, and how each endpoint does.")
@json_option
@one_line_errors
def status(*, as_json: bool) -> None:
    with desk() as ctx, ctx.database.reading() as session:
        found = standing.read(session, now=clock.now())
    endpoints = [{**vars(one), "endpoint_id": ids.show(ids.ENDPOINT, one.endpoint_id)} for one in found.endpoints]
    answer({**vars(found), "endpoints": endpoints}, "\n".join(_lines(found)), as_json=as_json)


def _lines(found: Status) -> list[str]:
    return [
        f"pumps     {found.pumps}",
        f"events    {found.waiting} wait for a place in the feed, the oldest for {found.lag_s:.1f} s",
        f"backlog   {found.backlog} deliveries, the longest due for {found.overdue_s:.1f} s; {found.held} held",
        "",
        f"{'endpoint':<31} {'partner':<20} {'status':<9} {'backlog':>8} {'overdue':>9} {'15 min':>15}  breaker",
        *map(_line, found.endpoints),
    ]


def _line(one: EndpointStatus) -> str:
    breaker = f"open until {one.open_until:%H:%M:%S} UTC, {one.failures} failures" if one.open_until else "closed"
    lately = f"{one.succeeded} ok {one.failed} bad"
    return (
        f"{ids.show(ids.ENDPOINT, one.endpoint_id):<31} {one.partner_code[:20]:<20} {one.status:<9} {one.backlog:>8} "
        f"{one.overdue_s:>7.0f} s {lately:>15}  {breaker}"
    )
