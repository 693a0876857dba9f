"""Events pulled by the Python client, as docs/how-to/pull-events.md has it to the letter."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from kit import clock
from tests.conftest import CARD, World
from tests.tidy.test_tidy import ROOT
from webhooks import digests
from webhooks.fan_out import fan_out

PAGE = (ROOT / "docs/how-to/pull-events.md").read_text("utf-8")


def test_the_page_says_what_works(service, world: World) -> None:
    base_url, (client_id, client_secret) = f"http://127.0.0.1:{service.port}", service.credentials("greengrocer")
    handled: list[str] = []
    cursors: list[str | None] = [None]
    said: dict[str, Any] = {
        "base_url": base_url, "client_id": client_id, "client_secret": client_secret,
        "load_cursor": lambda: cursors[-1], "save_cursor": cursors.append,
        "handle": lambda event: handled.append(event.id), "coalition": service.client("greengrocer"),
    }  # fmt: skip
    said["coalition"].members.enrol(card=CARD)
    for number in range(2):
        said["coalition"].earns.create(card=CARD, points=5, reference=f"R{number}")
    with world.transaction() as session:
        fan_out(session, now=clock.now(), keyring=service.world.keyring)
    digests.make_due(world.database, now=clock.now() + timedelta(days=1, hours=1), keyring=service.world.keyring)
    reading, creating, polling, comparing = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    exec(reading, said)  # noqa: S102 -- the page's own code
    assert len(handled) == 2
    exec(reading, said)  # noqa: S102 -- the page's own code
    assert len(handled) == 2, "it goes on from where it was"
    exec(creating, said)  # noqa: S102 -- the page's own code
    exec(polling, said)  # noqa: S102 -- the page's own code
    assert handled[2:] == handled[:2]
    exec(polling, said)  # noqa: S102 -- the page's own code
    assert len(handled) == 4, "what is committed doesn't come again"
    [said["day"]] = {str(one.day) for one in said["coalition"].event_digests.list() if one.events}
    said["ids_of_that_day"] = [event.id for event in said["coalition"].events.list().data]
    exec(comparing, said)  # noqa: S102 -- the page's own code
    text = said["digest"].signed
    shown = re.search(r"```text\n(.*?)```", PAGE, re.S)
    assert shown
    assert [line.split()[0] for line in text.splitlines()] == [line.split()[0] for line in shown[1].splitlines()]
