"""The collection as a way through the API that works from top to bottom: what comes first, with what, and its answer.

The description says what there is; here is only what an order needs: points are earned before they are burned, an
endpoint stands before the event it is sent, and what ends a thing comes after all that is done with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from clients.generator.description import Group, Operation

# These in this order, the others behind them as they are described.
FIRST = ("members", "identifiers", "event_types", "webhook_endpoints", "earns", "returns", "burns", "reversals")
# What ends what other groups need.
LAST = {("webhook_endpoints", "remove")}
# Operations of a group, where theirs is not the order; one that ends a thing needs another before the next can.
ORDER = {
    "earns": ("create", "create"),  # the second is what the return gives back
    "identifiers": ("list", "add", "send_code", "confirm", "remove"),
    "holds": ("create", "get", "capture", "create", "void"),
    "webhook_endpoints": (
        *("register", "list", "get", "change", "rotate", "test", "stats"),
        *("pause", "resume", "disable", "enable"),
    ),
    "event_consumers": ("create", "list", "get", "poll", "commit", "seek"),
    "webhook_replays": ("list", "create", "get", "cancel"),
}
# Instead of the description's example: so many points that all that follows has enough, and an address codes go to.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("members", "enrol"): {"card": "{{card}}"},
    ("earns", "create"): {"card": "{{card}}", "points": 500, "reference": "R-1001"},
    ("returns", "create"): {"reference": "R-1002", "transactions": [{"transaction_id": "txn_"}]},
    ("identifiers", "add"): {"email": "ann-{{$guid}}@example.com"},
    ("event_consumers", "commit"): {"cursor": "{{cursor}}"},
}
# Where the answer hangs on more than what was sent: what it may be besides, and why.
ALSO = {
    ("identifiers", "confirm"): (403, "the code is wrong, because the right one is in the member's mail"),
    ("batches", "cancel"): (409, "the file is already posted"),
    ("webhook_replays", "cancel"): (409, "the replay has already ended"),
    ("event_digests", "get"): (404, "the day has no digest yet"),
    ("settlement_runs", "get"): (404, "nothing is settled yet"),
    **{("statements", name): (404, "nothing is settled yet") for name in ("get", "file", "obligations")},
    ("obligations", "lines"): (404, "nothing is settled yet"),
    ("disputes", "create"): (404, "nothing is settled yet"),
    **{("disputes", name): (404, "nobody has disputed a line") for name in ("get", "answer")},
}
# Nobody has it yet, so that every run has a member of its own; its last digit is the check digit (Luhn).
NEW_CARD = """
const digits = "7001" + String(Math.floor(Math.random() * 1e11)).padStart(11, "0");
const sum = [...digits].reduce((sum, digit, place) => {
    const value = Number(digit) * (place % 2 ? 1 : 2);
    return sum + (value > 9 ? value - 9 : value);
}, 0);
pm.collectionVariables.set("card", digits + ((10 - sum % 10) % 10));
"""
BEFORE = {
    ("members", "enrol"): NEW_CARD,
    # What is done in the background takes a moment.
    ("requests", "get"): "setTimeout(() => {}, 1000);",
    ("webhook_deliveries", "list"): "setTimeout(() => {}, 5000);",
}


def groups(described: list[Group]) -> list[Group]:
    """The groups in the order in which they are gone through, and what comes last in one of its own."""
    last = [one for group in described for one in group.operations if (group.name, one.name) in LAST]
    kept = [
        replace(group, operations=[one for one in group.operations if (group.name, one.name) not in LAST])
        for group in described
    ]
    kept.sort(key=lambda group: FIRST.index(group.name) if group.name in FIRST else len(FIRST))
    return [*kept, Group("in_the_end", "What ends what the others needed.", last)]


def operations(group: Group) -> Iterator[Operation]:
    """The group's operations in their order; raises KeyError where one of them is not there any more."""
    by_name = {one.name: one for one in group.operations}
    order = ORDER.get(group.name, tuple(by_name))
    yield from (by_name[name] for name in order)
    yield from (one for name, one in by_name.items() if name not in order)


def statuses(group: Group, one: Operation) -> list[int]:
    """The statuses that are right."""
    also = ALSO.get((group.name, one.name))
    return [one.status, *([also[0]] if also else [])]
