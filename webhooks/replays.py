"""Replays: a partner's events of some time, sent to an endpoint once more, as a job with progress.

Here one is asked for, looked at and cancelled; `webhooks.pump` carries it out, behind what happens meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import text

from kit import audit, ids
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.errors import Conflict, Invalid, NotFound
from webhooks import endpoints
from webhooks.event_types import EVENT_TYPES, matches

MOST_EVENTS = 500_000
MOST_RUNNING = 5  # of a partner
Selection = Literal["failed", "missing", "all"]
SELECTIONS: tuple[Selection, ...] = ("failed", "missing", "all")
ALL_PERCENT = 100


class ReplayNotFound(NotFound):
    code = "replay_not_found"
    title = "Replay not found"
    description = "You have no replay with this id."
    remedy = "List your replays with GET /v1/webhook-replays, and use a `replay_id` from there."


class ReplayEmpty(Invalid):
    code = "replay_empty"
    title = "Replay covers no time"
    description = "The replay's `until` is not after its `since`."
    remedy = "Let `until` be after `since`. Events that happened at `until` itself are not part of the replay."


class ReplayTooLarge(Invalid):
    code = "replay_too_large"
    title = "Replay too large"
    description = (
        "The replay would concern more events than one replay can. `events` is how many there are, and `most` how many "
        "there can be."
    )
    remedy = (
        "Replay a shorter time or fewer event types, one replay after the other. To catch up with very many events, "
        "read them with GET /v1/events."
    )
    facts = ("events", "most")


class ReplayTooOld(Conflict):
    code = "replay_too_old"
    title = "Replay too old"
    description = (
        "Some of the events that the replay would concern are older than the time for which we keep events. We skip "
        "none of them in silence. `oldest_since` is the earliest `since` with which all of them are still kept."
    )
    remedy = "Send `oldest_since` as `since`, or a later time. Read what happened before it with GET /v1/transactions."
    facts = ("oldest_since",)


class TooManyReplays(Conflict):
    code = "too_many_replays"
    title = "Too many replays"
    description = "A partner can have five replays that run at the same time."
    remedy = "Wait until a replay is done, or cancel one with POST /v1/webhook-replays/{replay_id}/cancel."


class ReplayEnded(Conflict):
    code = "replay_ended"
    title = "Replay ended"
    description = "The replay is done or cancelled already. There is nothing to cancel."
    remedy = "Do nothing. To stop sending what it has sent again already, pause the endpoint."


@dataclass(frozen=True)
class Replay:
    """One replay and how far it is.

    `selection` says what is sent again: deliveries that `failed`, events `missing` among the endpoint's deliveries, or
    `all`. `events` is how many it was found to concern as it began, `processed` and `sent_again` how many of them were.
    An event that retention took away meanwhile is among `events` alone.
    """

    replay_id: UUID
    partner_id: UUID
    endpoint_id: UUID
    since: datetime
    until: datetime
    event_types: list[str]
    selection: str
    state: str
    events: int
    processed: int
    sent_again: int
    created_at: datetime
    ended_at: datetime | None

    @property
    def percent(self) -> int:
        """How much of it has been processed, in whole per cent."""
        if self.state == "done":
            return ALL_PERCENT
        return min(self.processed * ALL_PERCENT // max(self.events, 1), ALL_PERCENT)


_COLUMNS = ", ".join(Replay.__dataclass_fields__)
_SELECT = f"SELECT {_COLUMNS} FROM webhooks.replay WHERE partner_id = :partner_id"  # noqa: S608 -- names of ours
_FIRST = UUID(int=0)


def create(
    session: Session,
    act: Act,
    *,
    partner_id: UUID,
    endpoint_id: UUID,
    since: datetime,
    until: datetime,
    event_types: list[str],
    selection: Selection,
) -> Replay:
    """Begin to send events that happened from `since` up to `until` to an endpoint once more.

    `event_types` are patterns. Of events whose types match, those go out that the endpoint wants and the `selection`
    takes; a replay of none is done at once. Raises ReplayEmpty, EndpointNotFound, TooManyReplays, ReplayTooOld,
    ReplayTooLarge.
    """
    if not since < until:
        raise ReplayEmpty("until must be after since")
    endpoints.get(session, endpoint_id=endpoint_id, partner_id=partner_id)
    wait_for_lock(session, f"webhook replays of {partner_id}")  # two at once would both be the last
    running = session.scalar(
        text("SELECT count(*) FROM webhooks.replay WHERE partner_id = :partner_id AND state = 'running'"),
        {"partner_id": partner_id},
    )
    if (running or 0) >= MOST_RUNNING:
        raise TooManyReplays(f"{MOST_RUNNING} replays are running; wait for one, or cancel it", most=MOST_RUNNING)
    events, first, last = _concerned(session, partner_id=partner_id, since=since, until=until, patterns=event_types)
    if events > MOST_EVENTS:
        raise ReplayTooLarge(f"these are {events} events, and a replay has {MOST_EVENTS} at most",
                             events=events, most=MOST_EVENTS)  # fmt: skip
    values = {
        "replay_id": ids.new(),
        "partner_id": partner_id,
        "endpoint_id": endpoint_id,
        "since": since,
        "until": until,
        "event_types": sorted(set(event_types)),
        "selection": selection,
        "state": "running" if events else "done",
        "events": events,
        "position": first - 1,
        "last_position": last,
        "due_at": act.now,
        "created_at": act.now,
        "ended_at": None if events else act.now,
    }
    row = session.execute(
        text(f"""
            INSERT INTO webhooks.replay ({", ".join(values)}) VALUES ({", ".join(f":{name}" for name in values)})
            RETURNING {_COLUMNS}
        """),  # noqa: S608
        values,
    ).one()
    replay = Replay(*row)
    audit.append(
        session,
        act,
        "webhook_replay.started",
        replay,
        endpoint_id=ids.show(ids.ENDPOINT, endpoint_id),
        selection=selection,
        events=events,
    )
    return replay


def _concerned(
    session: Session, *, partner_id: UUID, since: datetime, until: datetime, patterns: list[str]
) -> tuple[int, int, int]:
    """How many events of the partner those are, and the places of the first and the last in the feed (1 and 0: none).

    Only those that have a place: what waits for one is on its way to the endpoint anyway. Raises ReplayTooOld.
    """
    types = None if "*" in patterns else [name for name in EVENT_TYPES if matches(patterns, name)]
    row = session.execute(
        text("""
            SELECT count(*), coalesce(min(position), 1), coalesce(max(position), 0),
                   max(occurred_at) FILTER (WHERE body IS NULL)
            FROM kit.event
            WHERE partner_id = :partner_id AND position IS NOT NULL AND occurred_at >= :since AND occurred_at < :until
              AND (CAST(:types AS text[]) IS NULL OR type = ANY (CAST(:types AS text[])))
        """),
        {"partner_id": partner_id, "since": since, "until": until, "types": types},
    ).one()
    if row[3] is not None:
        oldest = (row[3] + timedelta(microseconds=1)).isoformat()
        raise ReplayTooOld(f"events before {oldest} are no longer kept", oldest_since=oldest)
    return row[0], row[1], row[2]


def of_partner(session: Session, *, partner_id: UUID, after: UUID = _FIRST, limit: int) -> list[Replay]:
    """The partner's replays, oldest first, those behind `after`."""
    rows = session.execute(
        text(f"{_SELECT} AND replay_id > :after ORDER BY replay_id LIMIT :limit"),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [Replay(*row) for row in rows]


def get(session: Session, *, replay_id: UUID, partner_id: UUID) -> Replay:
    """One replay of the partner; raises ReplayNotFound."""
    row = session.execute(
        text(f"{_SELECT} AND replay_id = :replay_id"), {"partner_id": partner_id, "replay_id": replay_id}
    ).first()
    if row is None:
        raise ReplayNotFound("you have no replay with this id")
    return Replay(*row)


def cancel(session: Session, act: Act, *, replay_id: UUID, partner_id: UUID) -> Replay:
    """End a replay that runs; what it has sent again already stays. Raises ReplayNotFound, ReplayEnded."""
    row = session.execute(
        text(f"""
            UPDATE webhooks.replay SET state = 'cancelled', ended_at = :now
            WHERE replay_id = :replay_id AND partner_id = :partner_id AND state = 'running' RETURNING {_COLUMNS}
        """),  # noqa: S608
        {"now": act.now, "replay_id": replay_id, "partner_id": partner_id},
    ).first()
    if row is None:
        found = get(session, replay_id=replay_id, partner_id=partner_id)
        raise ReplayEnded(f"the replay is {found.state}")
    replay = Replay(*row)
    audit.append(session, act, "webhook_replay.cancelled", replay)
    return replay
