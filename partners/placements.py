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

from kit import audit, ids
from kit.audit import Act
from kit.db import Session, wait_for_lock
from kit.errors import Conflict, Invalid, NotFound
from kit.expected_version import ExpectedVersion, check
from partners import accounts, categories, texts
from partners.competition import Footprint, conflicts_with
from partners.territories import is_territory

LONGEST_CLAUSE = 500
_LOCK = "partners.placement"


class PlacementNotFound(NotFound):
    code = "placement_not_found"
    title = "Placement not found"
    description = "No placement has this id, or it was withdrawn."
    remedy = (
        "List the partner's placements with GET /v1/admin/partners/{partner_id}/placements or `coalition partner "
        "placement list`."
    )


class UnknownTerritory(Invalid):
    code = "unknown_territory"
    title = "Unknown territory"
    description = "A territory is a country (GB), a part of a country (GB-SCT), or * for everywhere (ISO 3166)."
    remedy = (
        "Send the code in capital letters with a hyphen, such as GB or GB-SCT. A location needs a country or a part of "
        "one, never *."
    )


class NoDays(Invalid):
    code = "no_days"
    title = "Placement without days"
    description = "A placement lasts at least one day. `until` is the first day after it, so it comes after `since`."
    remedy = (
        "Send an `until` at least one day after `since`, or leave it out for a placement without end. Withdraw a "
        "placement that was a mistake."
    )


class ExclusivityConflict(Conflict):
    code = "exclusivity_conflict"
    title = "Exclusivity conflict"
    description = (
        "An exclusive clause forbids the two partners to be present at the same time. `partner_id` and `partner_code` "
        "name the other partner, `clause` quotes the clause, and `clause_of` is the partner it belongs to. `category`, "
        "`territory`, `since` and `until` say where and when the other partner is present."
    )
    remedy = (
        "Choose other days, another category or another territory, or agree with the partner `partner_code` to change "
        "its clause or placement first."
    )
    facts = ("partner_id", "partner_code", "clause", "clause_of", "category", "territory", "since", "until")


@dataclass(frozen=True)
class Placement:
    """A partner in a category and territory, from `since` to before `until`; with a `clause`, exclusively."""

    placement_id: UUID
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
        """Whether no competitor may be there."""
        return self.clause is not None

    @property
    def footprint(self) -> Footprint:
        """What of it matters to others."""
        return Footprint(self.partner_id, self.category_path, self.territory, self.since, self.until, self.clause)


class PlacementChange(TypedDict, total=False):
    """What of a placement is to be different; what is not named stays."""

    since: date
    until: date | None
    clause: str | None


_SELECT = """
    SELECT s.placement_id, s.partner_id, s.category_id, s.category_path, s.territory, lower(s.valid), upper(s.valid),
           s.clause, s.created_at, s.version
    FROM partners.placement s
"""


def take_turn(session: Session) -> None:
    """Wait until nobody else changes placements, to the end of the transaction; taken before any partner's lock."""
    wait_for_lock(session, _LOCK)


def add(
    session: Session,
    act: Act,
    *,
    partner_id: UUID,
    category_id: UUID,
    territory: str,
    since: date,
    until: date | None,
    clause: str | None,
) -> Placement:
    """Put a partner into a category and territory; `clause` is the agreement's text that makes it exclusive.

    Raises ExclusivityConflict, PartnerNotFound, PartnerGone, CategoryNotFound, UnknownTerritory, NoDays, MalformedText.
    """
    if not is_territory(territory):
        raise UnknownTerritory(f"{territory!r} is not a country such as GB, a part of one such as GB-SCT, or *")
    take_turn(session)
    accounts.present(session, partner_id)
    path = categories.by_id(session, category_id).path
    wanted = Placement(ids.new(), partner_id, category_id, path, territory, since, until, _clause(clause), act.now)
    _refuse_conflicts(session, wanted)
    session.execute(
        text("""
            INSERT INTO partners.placement (placement_id, partner_id, category_id, category_path, territory, valid,
                                           clause, created_at)
            VALUES (:placement_id, :partner_id, :category_id, :category_path, :territory, daterange(:since, :until),
                    :clause, :created_at)
        """),
        vars(wanted),
    )
    audit.append(session, act, "placement.added", wanted, category=path)
    return wanted


def change(
    session: Session,
    act: Act,
    *,
    placement_id: UUID,
    changes: PlacementChange,
    expected_version: ExpectedVersion = None,
) -> Placement:
    """Set the dates or the clause of a placement; checked like a new one.

    Raises ExclusivityConflict, PlacementNotFound, PartnerGone, NoDays, MalformedText, Stale.
    """
    take_turn(session)
    before = get(session, placement_id)
    check(before.version, expected_version)
    accounts.present(session, before.partner_id)
    wanted = replace(before, **changes)
    wanted = replace(wanted, clause=_clause(wanted.clause))
    _refuse_conflicts(session, wanted)
    _set(session, wanted)
    found = get(session, placement_id)
    audit.append(session, act, "placement.changed", found, fields=sorted(changes))
    return found


def withdraw(session: Session, act: Act, *, placement_id: UUID) -> None:
    """Take a placement back as if it had never been, for one made by mistake. Raises PlacementNotFound."""
    take_turn(session)
    gone = get(session, placement_id)
    _take_back(session, placement_id, now=act.now)
    audit.append(session, act, "placement.withdrawn", gone)


def _take_back(session: Session, placement_id: UUID, *, now: datetime) -> None:
    session.execute(
        text("UPDATE partners.placement SET withdrawn_at = :now WHERE placement_id = :placement_id"),
        {"placement_id": placement_id, "now": now},
    )


def end_all(session: Session, *, partner_id: UUID, on: date, now: datetime) -> None:
    """End a partner's placements before the day `on`: what it had to itself is free from then."""
    take_turn(session)
    for found in of_partner(session, partner_id=partner_id, after=UUID(int=0), limit=None):
        if found.since >= on:
            _take_back(session, found.placement_id, now=now)
        elif found.until is None or found.until > on:
            _set(session, replace(found, until=on))


def get(session: Session, placement_id: UUID) -> Placement:
    """One placement; raises PlacementNotFound."""
    row = session.execute(
        text(f"{_SELECT} WHERE s.placement_id = :placement_id AND s.withdrawn_at IS NULL"),
        {"placement_id": placement_id},
    ).first()
    if row is None:
        raise PlacementNotFound("there is no such placement")
    return Placement(*row)


def of_partner(session: Session, *, partner_id: UUID, after: UUID, limit: int | None) -> list[Placement]:
    """A partner's placements behind `after`, oldest first."""
    rows = session.execute(
        text(f"""{_SELECT} WHERE s.partner_id = :partner_id AND s.withdrawn_at IS NULL AND s.placement_id > :after
                 ORDER BY s.placement_id LIMIT :limit"""),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [Placement(*row) for row in rows]


def _set(session: Session, wanted: Placement) -> None:
    session.execute(
        text("""
            UPDATE partners.placement SET valid = daterange(:since, :until), clause = :clause
            WHERE placement_id = :placement_id
        """),
        vars(wanted),
    )


def _clause(clause: str | None) -> str | None:
    return None if clause is None else texts.text(clause, what="clause", longest=LONGEST_CLAUSE)


def _refuse_conflicts(session: Session, wanted: Placement) -> None:
    if wanted.until is not None and wanted.until <= wanted.since:
        raise NoDays("until is the first day after the placement, so it comes after since")
    # Those of the same days; the oldest is named first. The rule itself stands in partners.competition.
    rows = session.execute(
        text(f"""
            {_SELECT} WHERE s.withdrawn_at IS NULL AND s.partner_id <> :partner_id
                AND s.valid && daterange(:since, :until) AND (:exclusive OR s.clause IS NOT NULL)
            ORDER BY s.placement_id
        """),
        {**vars(wanted), "exclusive": wanted.exclusive},
    )
    for found in (Placement(*row) for row in rows):
        if conflicts_with(wanted.footprint, found.footprint):
            raise _conflict(session, wanted, found)


def _conflict(session: Session, wanted: Placement, found: Placement) -> ExclusivityConflict:
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
