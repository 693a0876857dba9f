"""A partner's locations and the tills in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit import ids
from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound
from kit.seen import AS_SEEN, Seen, changed, check
from partners import accounts, texts
from partners.presences import UnknownTerritory
from partners.territories import is_place

LOCATION_STATES = ("open", "closed")
MOST_PLACES = 2_000
PLACE = "a location is in a country such as GB, or a part of one such as GB-SCT"
TILL_STATES = ("active", "blocked", "retired")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")


class LocationNotFound(NotFound):
    """No location has this id."""

    code = "location_not_found"
    title = "Location not found"


class LocationCodeTaken(Conflict):
    """A location of the same partner has this code."""

    code = "location_code_taken"
    title = "Location code taken"


class LocationClosed(Conflict):
    """The location is closed: no till can be put into it."""

    code = "location_closed"
    title = "Location closed"


class TillNotFound(NotFound):
    """No till has this id."""

    code = "till_not_found"
    title = "Till not found"


class TillCodeTaken(Conflict):
    """A till of the same location has this code."""

    code = "till_code_taken"
    title = "Till code taken"


class TillRetired(Conflict):
    """A till that is retired stays so; put in a new one."""

    code = "till_retired"
    title = "Till retired"


class MalformedCode(Invalid):
    """The code of a location or till is 1 to 32 letters, digits and hyphens."""

    code = "malformed_code"
    title = "Malformed code"


@dataclass(frozen=True)
class Location:
    """A shop; its partner's systems know it by `code`."""

    location_id: UUID
    partner_id: UUID
    code: str
    name: str
    territory: str
    address: str
    status: str
    created_at: datetime
    version: int = 1


@dataclass(frozen=True)
class Till:
    """A till; its location's systems know it by `code`."""

    till_id: UUID
    location_id: UUID
    code: str
    status: str
    created_at: datetime
    version: int = 1


_LOCATION = """
    SELECT location_id, partner_id, code, name, territory, address, status, created_at, version FROM partners.location
"""
_TILL = "SELECT till_id, location_id, code, status, created_at, version FROM partners.till"


def add(
    session: Session, *, partner_id: UUID, code: str, name: str, territory: str, address: str, now: datetime
) -> Location:
    """A new location, open.

    Raises PartnerNotFound, PartnerGone, MalformedCode, MalformedText, UnknownTerritory, LocationCodeTaken.
    """
    accounts.present(session, partner_id)
    if not is_place(territory):
        raise UnknownTerritory(PLACE)
    location = Location(
        ids.new(), partner_id, _code(code), texts.text(name, what="name"), territory,
        texts.text(address, what="address", longest=300), "open", now,
    )  # fmt: skip
    done = session.execute(
        text("""
            INSERT INTO partners.location (location_id, partner_id, code, name, territory, address, status, created_at)
            VALUES (:location_id, :partner_id, :code, :name, :territory, :address, :status, :created_at)
            ON CONFLICT (partner_id, code) DO NOTHING
        """),
        vars(location),
    )
    if done.rowcount == 0:
        raise LocationCodeTaken(f"there is a location {code} already")
    return location


def change(
    session: Session,
    *,
    location_id: UUID,
    code: str | None = None,
    name: str | None = None,
    territory: str | None = None,
    address: str | None = None,
    status: str | None = None,
    seen: Seen = None,
) -> Location:
    """Correct, close or open a location; what is None stays.

    Raises LocationNotFound, LocationCodeTaken, MalformedCode, MalformedText, UnknownTerritory, Stale.
    """
    if territory is not None and not is_place(territory):
        raise UnknownTerritory(PLACE)
    if code is not None:
        _refuse_taken(session, location_id, _code(code))
    done = session.execute(
        text(f"""
            UPDATE partners.location SET code = coalesce(:code, code), name = coalesce(:name, name),
                territory = coalesce(:territory, territory), address = coalesce(:address, address),
                status = coalesce(:status, status)
            WHERE location_id = :location_id AND {AS_SEEN}
        """),  # noqa: S608 -- a condition of ours
        {
            "code": code,
            "name": None if name is None else texts.text(name, what="name"),
            "territory": territory,
            "address": None if address is None else texts.text(address, what="address", longest=300),
            "status": status,
            "location_id": location_id,
            "seen": seen,
        },
    )
    found = get(session, location_id)
    if done.rowcount == 0:
        raise changed()
    return found


def get(session: Session, location_id: UUID) -> Location:
    """One location; raises LocationNotFound."""
    row = session.execute(text(f"{_LOCATION} WHERE location_id = :id"), {"id": location_id}).first()
    if row is None:
        raise LocationNotFound("there is no such location")
    return Location(*row)


def by_code(session: Session, *, partner_id: UUID, code: str) -> Location:
    """A partner's location by its code; raises LocationNotFound."""
    row = session.execute(
        text(f"{_LOCATION} WHERE partner_id = :partner_id AND code = :code"), {"partner_id": partner_id, "code": code}
    ).first()
    if row is None:
        raise LocationNotFound(f"there is no location {code}")
    return Location(*row)


def of_partner(session: Session, *, partner_id: UUID, after: UUID, limit: int) -> list[Location]:
    """A partner's locations behind `after`, oldest first."""
    rows = session.execute(
        text(f"{_LOCATION} WHERE partner_id = :partner_id AND location_id > :after ORDER BY location_id LIMIT :limit"),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [Location(*row) for row in rows]


def add_till(session: Session, *, location_id: UUID, code: str, now: datetime) -> Till:
    """A new till, active; raises LocationNotFound, LocationClosed, MalformedCode, TillCodeTaken."""
    if get(session, location_id).status == "closed":
        raise LocationClosed("the location is closed")
    made = Till(ids.new(), location_id, _code(code), "active", now)
    done = session.execute(
        text("""
            INSERT INTO partners.till (till_id, location_id, code, status, created_at)
            VALUES (:till_id, :location_id, :code, :status, :created_at) ON CONFLICT (location_id, code) DO NOTHING
        """),
        vars(made),
    )
    if done.rowcount == 0:
        raise TillCodeTaken(f"there is a till {code} already")
    return made


def set_till(session: Session, *, till_id: UUID, status: str, seen: Seen = None) -> Till:
    """Block a till, let it work again, or retire it for good; raises TillNotFound, TillRetired, Stale."""
    row = session.execute(text(f"{_TILL} WHERE till_id = :till_id FOR NO KEY UPDATE"), {"till_id": till_id}).first()
    if row is None:
        raise TillNotFound("there is no such till")
    check(row.version, seen)
    if row.status == "retired" and status != "retired":
        raise TillRetired("the till is retired; put in a new one")
    session.execute(
        text("UPDATE partners.till SET status = :status WHERE till_id = :till_id"),
        {"till_id": till_id, "status": status},
    )
    return till(session, till_id)


def till(session: Session, till_id: UUID) -> Till:
    """One till; raises TillNotFound."""
    row = session.execute(text(f"{_TILL} WHERE till_id = :till_id"), {"till_id": till_id}).first()
    if row is None:
        raise TillNotFound("there is no such till")
    return Till(*row)


def tills(session: Session, *, location_id: UUID, after: UUID, limit: int) -> list[Till]:
    """A location's tills behind `after`, oldest first."""
    rows = session.execute(
        text(f"{_TILL} WHERE location_id = :location_id AND till_id > :after ORDER BY till_id LIMIT :limit"),
        {"location_id": location_id, "after": after, "limit": limit},
    )
    return [Till(*row) for row in rows]


@dataclass(frozen=True)
class Place:
    """A till where it stands, as people call it."""

    till_id: UUID
    name: str


def working_tills(session: Session, *, partner_id: UUID) -> list[Place]:
    """The partner's active tills in open locations, by name, MOST_PLACES at most."""
    rows = session.execute(
        text("""
            SELECT t.till_id, concat(l.name, ', till ', t.code) FROM partners.till t
            JOIN partners.location l USING (location_id)
            WHERE l.partner_id = :partner_id AND l.status = 'open' AND t.status = 'active'
            ORDER BY l.name, t.code LIMIT :limit
        """),
        {"partner_id": partner_id, "limit": MOST_PLACES},
    )
    return [Place(*row) for row in rows]


def _refuse_taken(session: Session, location_id: UUID, code: str) -> None:
    taken = session.scalar(
        text("""
            SELECT true FROM partners.location o JOIN partners.location l USING (partner_id)
            WHERE l.location_id = :location_id AND o.location_id <> l.location_id AND o.code = :code
        """),
        {"location_id": location_id, "code": code},
    )
    if taken:
        raise LocationCodeTaken(f"there is a location {code} already")


def _code(code: str) -> str:
    if not _CODE.fullmatch(code):
        raise MalformedCode("a code is 1 to 32 letters, digits and hyphens")
    return code
