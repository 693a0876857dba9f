"""Fan-out: committed events get their places in the feed, and a delivery for each endpoint that wants them."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text

from kit import ids, logs, outbox
from kit.db import Session, execute, try_lock
from kit.outbox import Sequenced, Waiting
from kit.secrets import Keyring
from webhooks import filters
from webhooks.event_types import matches
from webhooks.queue import BEHIND_ANOTHER, FIRST_ATTEMPTS, REPLAYS

log = logging.getLogger("webhooks.fan_out")

MOST_EVENTS = 500  # of one transaction
MOST_DELIVERIES = 2_000
MOST_UNTELLABLE = 10_000  # events that a pump passes over
TEST = "webhook_endpoint.test"  # for the endpoint it names
ABOUT_ENDPOINTS = "webhook_endpoint."  # for all but the endpoint it names
# Why an endpoint is not sent an event.
FOR_ANOTHER = "for_another_endpoint"
ABOUT_ITSELF = "about_itself"
EVENT_TYPE = "event_type"
FILTER = "filter"
REASONS = (FOR_ANOTHER, ABOUT_ITSELF, EVENT_TYPE, FILTER)


@dataclass(frozen=True)
class Subscription:
    """What an endpoint wants, and in which order."""

    endpoint_id: UUID
    event_types: list[str]
    filter: dict[str, Any] | None = None
    ordering: str = "none"
    is_enabled: bool = True

    def why_not(self, type_: str, event: dict[str, Any]) -> str | None:
        """Why this endpoint is not sent an event of `type_` with the body `event`; None: it is."""
        if type_.startswith(ABOUT_ENDPOINTS):
            named = event["data"].get("endpoint_id") == ids.show(ids.ENDPOINT, self.endpoint_id)
            if type_ == TEST:
                return None if named else FOR_ANOTHER
            if named:
                return ABOUT_ITSELF
        if not matches(self.event_types, type_):
            return EVENT_TYPE
        try:
            return None if filters.matches(self.filter, event) else FILTER
        except Exception as error:  # noqa: BLE001 -- one of another version: rather an event too many than too few
            said = type(error).__name__
            logs.event(log, "a filter can't be applied", level=logging.ERROR, endpoint_id=self.endpoint_id, error=said)
            return None

    def key(self, subject_id: UUID) -> UUID | None:
        """The ordering key of what happened to `subject_id`."""
        return {"member": subject_id, "strict": self.endpoint_id}.get(self.ordering)


Subscriptions = dict[UUID, list[Subscription]]  # by partner


def fan_out(session: Session, *, now: datetime, keyring: Keyring, untellable: set[UUID] | None = None) -> Counter[str]:
    """Sequence waiting events and make a delivery for each endpoint that wants one; how many events of each type.

    At most MOST_DELIVERIES at once, or those of one event, so that nobody's many endpoints make a transaction that
    never ends; what is left waits for the next. Events that can't be told as they are join `untellable` and are passed
    over: they keep waiting, without a place, for a process that can.
    """
    passed_over = set() if untellable is None else untellable
    if not try_lock(session, outbox.SEQUENCER):
        return Counter()
    waiting = outbox.next_waiting(session, limit=MOST_EVENTS, but=passed_over)
    if not waiting:
        return Counter()
    wanted = subscriptions(session, {event.partner_id for event in waiting}, hold=True)
    events, wrong = outbox.sequence(session, _as_many_as_fit(waiting, wanted), keyring=keyring)
    for event_id, error in wrong.items():
        said = type(error).__name__
        logs.event(log, "an event can't be told", level=logging.ERROR, event_id=event_id, error=said)
    passed_over.update(list(wrong)[: MOST_UNTELLABLE - len(passed_over)])
    insert(session, [pair for event in events for pair in _pairs(event, wanted)], now=now)
    return Counter(event.type for event in events)


def _pairs(event: Sequenced, wanted: Subscriptions) -> Iterator[tuple[Sequenced, Subscription]]:
    there = wanted.get(event.partner_id, ())
    # Few ask for more than types, and only they need the body.
    read = any(one.filter for one in there) or event.type.startswith(ABOUT_ENDPOINTS)
    body = json.loads(event.body) if read else {}
    return ((event, one) for one in there if one.why_not(event.type, body) is None)


def wants(one: Subscription, event: Sequenced) -> bool:
    """Whether the endpoint is sent `event`."""
    return one.why_not(event.type, json.loads(event.body)) is None


def insert(
    session: Session, pairs: Sequence[tuple[Sequenced, Subscription]], *, now: datetime, is_replay: bool = False
) -> int:
    """Make deliveries of events for endpoints, in the order of `pairs`; returns how many were not there yet.

    Those that are there already, as a replay may find them, use up no number of their endpoint's sequence. A replay
    comes beside an endpoint's order, and behind what happens now; so does what an endpoint misses that isn't enabled.
    """
    pairs = _not_there(session, pairs) if is_replay else pairs
    if not pairs:
        return 0
    numbers = _numbers(session, Counter(one.endpoint_id for _, one in pairs))
    behind = set() if is_replay else _busy_keys(session, pairs)
    lanes, keys = [], []
    for event, one in pairs:
        key = None if is_replay else one.key(event.subject_id)
        lane = FIRST_ATTEMPTS if one.is_enabled and not is_replay else REPLAYS
        keys.append(key)
        lanes.append(BEHIND_ANOTHER[lane] if (one.endpoint_id, key) in behind else lane)
        if key is not None:
            behind.add((one.endpoint_id, key))
    return execute(
        session,
        """
            INSERT INTO webhooks.delivery (delivery_id, endpoint_id, subject_id, event_id, position, state, due_at,
                                           lane, ordering_key, sequence)
            SELECT u.delivery_id, u.endpoint_id, u.subject_id, u.event_id, u.position, 'pending', %(now)s,
                   u.lane, u.ordering_key, u.sequence
            FROM unnest(%(ids)b::uuid[], %(endpoints)b::uuid[], %(subjects)b::uuid[], %(events)b::uuid[],
                        %(positions)b::bigint[], %(lanes)b::smallint[], %(keys)b::uuid[], %(sequences)b::bigint[])
                AS u (delivery_id, endpoint_id, subject_id, event_id, position, lane, ordering_key, sequence)
            ON CONFLICT (event_id, endpoint_id) DO NOTHING
        """,
        {
            "ids": [ids.new() for _ in pairs],
            "endpoints": [one.endpoint_id for _, one in pairs],
            "subjects": [event.subject_id for event, _ in pairs],
            "events": [event.event_id for event, _ in pairs],
            "positions": [event.position for event, _ in pairs],
            "lanes": lanes,
            "keys": keys,
            "sequences": [next(numbers[one.endpoint_id]) for _, one in pairs],
            "now": now,
        },
    )


def _not_there(
    session: Session, pairs: Sequence[tuple[Sequenced, Subscription]]
) -> list[tuple[Sequenced, Subscription]]:
    rows = session.execute(
        text("""
            SELECT d.event_id, d.endpoint_id FROM webhooks.delivery d
            JOIN unnest(CAST(:events AS uuid[]), CAST(:endpoints AS uuid[])) AS u (event_id, endpoint_id)
              ON d.event_id = u.event_id AND d.endpoint_id = u.endpoint_id
        """),
        {"events": [event.event_id for event, _ in pairs], "endpoints": [one.endpoint_id for _, one in pairs]},
    )
    there = {tuple(row) for row in rows}
    return [pair for pair in pairs if (pair[0].event_id, pair[1].endpoint_id) not in there]


def _numbers(session: Session, wanted: Counter[UUID]) -> dict[UUID, Iterator[int]]:
    """The next numbers of each endpoint's deliveries; from here on nobody else ends or begins any in order there."""
    endpoints = sorted(wanted)
    rows = session.execute(
        text("""
            INSERT INTO webhooks.endpoint_state AS s (endpoint_id, last_sequence)
            SELECT u.endpoint_id, u.number
            FROM unnest(CAST(:endpoints AS uuid[]), CAST(:numbers AS bigint[])) AS u (endpoint_id, number)
            ON CONFLICT (endpoint_id) DO UPDATE SET last_sequence = s.last_sequence + excluded.last_sequence
            RETURNING s.endpoint_id, s.last_sequence
        """),
        {"endpoints": endpoints, "numbers": [wanted[one] for one in endpoints]},
    )
    return {one: iter(range(last - wanted[one] + 1, last + 1)) for one, last in rows}


def _busy_keys(session: Session, pairs: Sequence[tuple[Sequenced, Subscription]]) -> set[tuple[UUID, UUID | None]]:
    """The endpoints and ordering keys of which something has not come to its end."""
    asked = {(one.endpoint_id, key) for event, one in pairs if (key := one.key(event.subject_id)) is not None}
    if not asked:
        return set()
    rows = session.execute(
        text("""
            SELECT u.endpoint_id, u.ordering_key
            FROM unnest(CAST(:endpoints AS uuid[]), CAST(:keys AS uuid[])) AS u (endpoint_id, ordering_key)
            WHERE EXISTS (SELECT FROM webhooks.delivery d
                          WHERE d.endpoint_id = u.endpoint_id AND d.ordering_key = u.ordering_key
                            AND d.state IN ('pending', 'held'))
        """),
        {"endpoints": [one for one, _ in asked], "keys": [key for _, key in asked]},
    )
    return {(row.endpoint_id, row.ordering_key) for row in rows}


def subscriptions(session: Session, partner_ids: set[UUID], *, hold: bool = False) -> Subscriptions:
    """What the endpoints of these partners want; with `hold` none changes its order before the transaction ends."""
    rows = session.execute(
        text(f"""
            SELECT partner_id, endpoint_id, event_types, filter, ordering, status = 'enabled' FROM webhooks.endpoint
            WHERE partner_id = ANY(:ids) AND removed_at IS NULL {"FOR KEY SHARE" if hold else ""}
        """),  # noqa: S608 -- words of ours
        {"ids": list(partner_ids)},
    )
    found: Subscriptions = {}
    for partner_id, *wanted in rows:
        found.setdefault(partner_id, []).append(Subscription(*wanted))
    return found


def _as_many_as_fit(waiting: Sequence[Waiting], wanted: Subscriptions) -> Sequence[Waiting]:
    deliveries = 0
    for number, event in enumerate(waiting):
        deliveries += sum(matches(one.event_types, event.type) for one in wanted.get(event.partner_id, ()))
        if number and deliveries > MOST_DELIVERIES:
            return waiting[:number]
    return waiting
