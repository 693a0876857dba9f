"""A partner's integration, written with our client, certified in the sandbox: everything seen, and all of it right."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from coalition_client import Coalition, WebhookRejected, problems, webhooks
from coalition_client.events import PointsBurned
from coalition_client.models import Returned

from tests.e2e.conftest import Place, wait_for
from tests.e2e.test_sandbox import here as here
from tests.receiving import Received, Receiver


class Shop:
    """A partner's receiver, which keeps the events it has verified, by their ids."""

    def __init__(self) -> None:
        self.secret = ""
        self.events: dict[str, webhooks.Event] = {}

    def take(self, body: bytes, headers: dict[str, str]) -> int:
        try:
            event = webhooks.verify(body, headers, self.secret)
        except WebhookRejected:
            return 400
        self.events.setdefault(event.id, event)
        return 204


def test_an_integration_with_our_client_is_certified(here: Place, receiver: Receiver, received: Received) -> None:
    shop = Shop()
    receiver.answer = shop.take
    with here.up():
        code, out = here.run("sandbox", "partner", "Corner Grocer", "--json")
        assert code == 0, here.stderr
        made = json.loads(out)
        with Coalition(made["base_url"], made["client_id"], made["client_secret"]) as grocer:
            endpoint = grocer.webhook_endpoints.register(url=receiver.url, event_types=["points.*"])
            shop.secret = endpoint.secret or ""
            received.trust(receiver.url, shop.secret)
            _trade(grocer, made["members"][0])
        wait_for(lambda: [one for one in shop.events.values() if isinstance(one.data, PointsBurned)])
        received.check()
        received.expect_wrong(receiver.url)  # certify forges some
        code, out = here.run("--sandbox", "certify", "corner-grocer", "--json")
    report = json.loads(out)
    missing = {one["code"]: one for part in report["parts"] for one in part["findings"] if one["outcome"] != "passed"}
    assert missing == {}
    assert (code, report["certified"], report["outcomes"]["passed"]) == (0, True, 18)


def _trade(grocer: Coalition, member: dict[str, Any]) -> None:
    """A day with all that can go wrong in it."""
    card, points = member["card"], member["points"]
    lost = grocer.burns.create(card=card, points=100, reference="sandbox:commit_then_drop:1")
    assert lost.meta.replayed
    assert lost.available_after == points - 100
    late = grocer.burns.create(card=card, points=10, reference="sandbox:database_unavailable:1")
    assert not late.meta.replayed
    part = Returned(transaction_id=lost.transaction_id, points=40)
    back = grocer.returns.create(reference="V-1", transactions=[part])
    assert back.available_after == points - 100 - 10 + 40
    with pytest.raises(problems.InsufficientPoints):
        grocer.burns.create(card=card, points=1_000_000, reference="B-2")
    ago = datetime.now(UTC) - timedelta(hours=3)
    sold = {"kind": "earn", "card": card, "points": 5, "reference": "R-3", "effective_at": ago}
    assert grocer.batches.post(items=[sold]).posted == 1
