"""Where partners are present: category, territory, dates; and exclusivity, which refuses whoever would compete.

Changes take turns behind one lock, so that the one refused is told by whom and under which clause; an exclusion
constraint stands behind them (docs/decisions/0010).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TypedDict
from uuid import UUID

from sqlalchemy import text

from kit import ids
from kit.db import Session, wait_for_lock
from kit.errors import Conflict, Invalid, NotFound
from kit.seen import Seen, check
from partners import accounts, categories, texts
from partners.competition import Stand, compete
from partners.territories import is_territory

LONGEST_CLAUSE = 500
_LOCK = "partners.presence"


class PresenceNotFound(NotFound):
    """No presence has this id, or it was withdrawn."""

    code = "presence_not_found"
    title = "Presence not found"


class UnknownTerritory(Invalid):
    """A territory is a country (GB), a part of one (GB-SCT), or * for everywhere: ISO 3166."""

    code = "unknown_territory"
    title = "Unknown territory"


class NoDays(Invalid):
    """A presence lasts at least a day: `until`, the first day after it, lies behind `since`."""

    code = "no_days"
    title = "No days"


class ExclusivityConflict(Conflict):
    """A partner's exclusive clause forbids that the two are present at once.

    `partner_id` and `partner_code` name the other partner, `clause` the words that forbid it, and `clause_of` the
    partner they belong to; `category`, `territory`, `since` and `until` are where and when the other one is.
    """

    code = "exclusivity_conflict"
    title = "Exclusivity conflict"


@dataclass(frozen=True)
class Presence:
    """A partner in a category and territory, from `since` to before `until`; with a `clause`, exclusively."""

    presence_id: UUID
    partner_id: UUID
    category_id: UUID
    category_path: str
    territory: str
    since: date
    until: date | None
    clause: str | None
    created_at: datetime
    version: int = 1

    @property
    def exclusive(self) -> bool:
        """Whether it keeps others out."""
        return self.clause is not None

    @property
    def stand(self) -> Stand:
        """What of it matters to others."""
        return Stand(self.partner_id, self.category_path, self.territory, self.since, self.until, self.clause)


class PresenceChange(TypedDict, total=False):
    """What of a presence is to be different; what is not named stays."""

    since: date
    until: date | None
    clause: str | None


_SELECT = """
    SELECT s.presence_id, s.partner_id, s.category_id, s.category_path, s.territory, lower(s.valid), upper(s.valid),
           s.clause, s.created_at, s.version
    FROM partners.presence s
"""


def take_turn(session: Session) -> None:
    """Wait until nobody else changes presences, to the end of the transaction; taken before any partner's lock."""
    wait_for_lock(session, _LOCK)


def add(
    session: Session,
    *,
    partner_id: UUID,
    category_id: UUID,
    territory: str,
    since: date,
    until: date | None,
    clause: str | None,
    now: datetime,
) -> Presence:
    """Put a partner into a category and territory; `clause` is the agreement's text that makes it exclusive.

    Raises ExclusivityConflict, PartnerNotFound, PartnerGone, CategoryNotFound, UnknownTerritory, NoDays, MalformedText.
    """
    if not is_territory(territory):
        raise UnknownTerritory(f"{territory!r} is no country such as GB, no part of one such as GB-SCT, and not *")
    take_turn(session)
    accounts.present(session, partner_id)
    path = categories.by_id(session, category_id).path
    wanted = Presence(ids.new(), partner_id, category_id, path, territory, since, until, _clause(clause), now)
    _refuse_conflicts(session, wanted)
    session.execute(
        text("""
            INSERT INTO partners.presence (presence_id, partner_id, category_id, category_path, territory, valid,
                                           clause, created_at)
            VALUES (:presence_id, :partner_id, :category_id, :category_path, :territory, daterange(:since, :until),
                    :clause, :created_at)
        """),
        vars(wanted),
    )
    return wanted


def change(session: Session, *, presence_id: UUID, changes: PresenceChange, seen: Seen = None) -> Presence:
    """Set the dates or the clause of a presence; checked like a new one.

    Raises ExclusivityConflict, PresenceNotFound, PartnerGone, NoDays, MalformedText, Stale.
    """
    take_turn(session)
    before = get(session, presence_id)
    check(before.version, seen)
    accounts.present(session, before.partner_id)
    wanted = replace(before, **changes)
    wanted = replace(wanted, clause=_clause(wanted.clause))
    _refuse_conflicts(session, wanted)
    _set(session, wanted)
    return get(session, presence_id)


def withdraw(session: Session, *, presence_id: UUID, now: datetime) -> None:
    """Take a presence back as if it had never been, for one made by mistake. Raises PresenceNotFound."""
    take_turn(session)
    get(session, presence_id)
    session.execute(
        text("UPDATE partners.presence SET withdrawn_at = :now WHERE presence_id = :presence_id"),
        {"presence_id": presence_id, "now": now},
    )


def end_all(session: Session, *, partner_id: UUID, on: date, now: datetime) -> None:
    """End a partner's presences before the day `on`: what it kept others out of is free from then."""
    take_turn(session)
    for found in of_partner(session, partner_id=partner_id, after=UUID(int=0), limit=None):
        if found.since >= on:
            withdraw(session, presence_id=found.presence_id, now=now)
        elif found.until is None or found.until > on:
            _set(session, replace(found, until=on))


def get(session: Session, presence_id: UUID) -> Presence:
    """One presence; raises PresenceNotFound."""
    row = session.execute(
        text(f"{_SELECT} WHERE s.presence_id = :presence_id AND s.withdrawn_at IS NULL"), {"presence_id": presence_id}
    ).first()
    if row is None:
        raise PresenceNotFound("there is no such presence")
    return Presence(*row)


def of_partner(session: Session, *, partner_id: UUID, after: UUID, limit: int | None) -> list[Presence]:
    """A partner's presences behind `after`, oldest first."""
    rows = session.execute(
        text(f"""{_SELECT} WHERE s.partner_id = :partner_id AND s.withdrawn_at IS NULL AND s.presence_id > :after
                 ORDER BY s.presence_id LIMIT :limit"""),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [Presence(*row) for row in rows]


def _set(session: Session, wanted: Presence) -> None:
    session.execute(
        text("""
            UPDATE partners.presence SET valid = daterange(:since, :until), clause = :clause
            WHERE presence_id = :presence_id
        """),
        vars(wanted),
    )


def _clause(clause: str | None) -> str | None:
    return None if clause is None else texts.text(clause, what="clause", longest=LONGEST_CLAUSE)


def _refuse_conflicts(session: Session, wanted: Presence) -> None:
    if wanted.until is not None and wanted.until <= wanted.since:
        raise NoDays("until is the first day after the presence, so it lies behind since")
    # Those of the same days; the oldest is named first. The rule itself stands in partners.competition.
    rows = session.execute(
        text(f"""
            {_SELECT} WHERE s.withdrawn_at IS NULL AND s.partner_id <> :partner_id
                AND s.valid && daterange(:since, :until) AND (:exclusive OR s.clause IS NOT NULL)
            ORDER BY s.presence_id
        """),
        {**vars(wanted), "exclusive": wanted.exclusive},
    )
    for found in (Presence(*row) for row in rows):
        if compete(wanted.stand, found.stand):
            raise _conflict(session, wanted, found)


def _conflict(session: Session, wanted: Presence, found: Presence) -> ExclusivityConflict:
    other = accounts.by_id(session, found.partner_id)
    mine = accounts.by_id(session, wanted.partner_id)
    holder = other if found.exclusive else mine
    until = f" to {found.until}" if found.until else ""
    place = f"{found.category_path.rstrip('/')} in {found.territory} from {found.since}{until}"
    words = found.clause or wanted.clause
    return ExclusivityConflict(
        f"{other.name} ({other.code}) is present in {place}, which the clause of {holder.name} forbids: {words}",
        partner_id=ids.show(ids.PARTNER, other.partner_id),
        partner_code=other.code,
        clause=words,
        clause_of=holder.code,
        category=found.category_path.rstrip("/"),
        territory=found.territory,
        since=found.since,
        until=found.until,
    )
