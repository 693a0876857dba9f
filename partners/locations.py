"""A partner's locations and the tills in them."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit import audit, ids
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict, Invalid, NotFound
from kit.expected_version import AS_EXPECTED, ExpectedVersion, changed, check
from partners import accounts, texts
from partners.placements import UnknownTerritory
from partners.territories import is_place

LOCATION_STATES = ("open", "closed")
MOST_PLACES = 2_000
PLACE = "a location is in a country such as GB, or a part of one such as GB-SCT"
TILL_STATES = ("active", "blocked", "retired")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")


class LocationNotFound(NotFound):
    code = "location_not_found"
    title = "Location not found"
    description = "No location has this id."
    remedy = (
        "List the partner's locations with GET /v1/admin/partners/{partner_id}/locations or `coalition partner "
        "location list`."
    )


class LocationCodeTaken(Conflict):
    code = "location_code_taken"
    title = "Location code taken"
    description = "Another location of the partner has this code."
    remedy = "Choose a code that no other location of this partner has."


class LocationClosed(Conflict):
    code = "location_closed"
    title = "Location closed"
    description = "The location is closed, so you cannot add a till to it."
    remedy = (
        "Reopen the location with PATCH /v1/admin/locations/{location_id} or `coalition partner location set`, then "
        "add the till. Or choose another location."
    )


class TillNotFound(NotFound):
    code = "till_not_found"
    title = "Till not found"
    description = "No till has this id."
    remedy = (
        "Choose a till from the list. The coalition sees all tills with GET /v1/admin/locations/{location_id}/tills or "
        "`coalition partner till list`."
    )


class TillCodeTaken(Conflict):
    code = "till_code_taken"
    title = "Till code taken"
    description = "Another till of the location has this code."
    remedy = "Choose a code that no other till of this location has, a retired one included."


class TillRetired(Conflict):
    code = "till_retired"
    title = "Till retired"
    description = "The till is retired, and a retired till never works again."
    remedy = "Add a new till."


class MalformedCode(Invalid):
    code = "malformed_code"
    title = "Malformed code"
    description = "The code of a location or till has 1 to 32 letters, digits and hyphens."
    remedy = "Leave out spaces and other signs, and shorten the code."


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
    session: Session, act: Act, *, partner_id: UUID, code: str, name: str, territory: str, address: str
) -> Location:
    """A new location, open.

    Raises PartnerNotFound, PartnerGone, MalformedCode, MalformedText, UnknownTerritory, LocationCodeTaken.
    """
    accounts.present(session, partner_id)
    if not is_place(territory):
        raise UnknownTerritory(PLACE)
    location = Location(
        ids.new(), partner_id, _code(code), texts.text(name, what="name"), territory,
        texts.text(address, what="address", longest=300), "open", act.now,
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
        raise LocationCodeTaken(f"there is already a location {code}")
    audit.append(session, act, "location.added", location)
    return location


def change(
    session: Session,
    act: Act,
    *,
    location_id: UUID,
    code: str | None = None,
    name: str | None = None,
    territory: str | None = None,
    address: str | None = None,
    status: str | None = None,
    expected_version: ExpectedVersion = None,
) -> Location:
    """Correct, close or open a location; what is None stays.

    Raises LocationNotFound, LocationCodeTaken, MalformedCode, MalformedText, UnknownTerritory, Stale.
    """
    given = {"code": code, "name": name, "territory": territory, "address": address, "status": status}
    if territory is not None and not is_place(territory):
        raise UnknownTerritory(PLACE)
    if code is not None:
        _refuse_taken(session, location_id, _code(code))
    done = session.execute(
        text(f"""
            UPDATE partners.location SET code = coalesce(:code, code), name = coalesce(:name, name),
                territory = coalesce(:territory, territory), address = coalesce(:address, address),
                status = coalesce(:status, status)
            WHERE location_id = :location_id AND {AS_EXPECTED}
        """),  # noqa: S608 -- a condition of ours
        {
            **given,
            "name": None if name is None else texts.text(name, what="name"),
            "address": None if address is None else texts.text(address, what="address", longest=300),
            "location_id": location_id,
            "expected_version": expected_version,
        },
    )
    found = get(session, location_id)
    if done.rowcount == 0:
        raise changed()
    said = sorted(field for field, value in given.items() if value is not None)
    audit.append(session, act, "location.changed", found, fields=said, status=found.status)
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


def some(session: Session, location_ids: Collection[UUID]) -> dict[UUID, Location]:
    """Those of these locations that there are, by id."""
    rows = session.execute(text(f"{_LOCATION} WHERE location_id = ANY(:ids)"), {"ids": list(location_ids)})
    return {row.location_id: Location(*row) for row in rows}


def of_partner(session: Session, *, partner_id: UUID, after: UUID, limit: int) -> list[Location]:
    """A partner's locations behind `after`, oldest first."""
    rows = session.execute(
        text(f"{_LOCATION} WHERE partner_id = :partner_id AND location_id > :after ORDER BY location_id LIMIT :limit"),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [Location(*row) for row in rows]


def add_till(session: Session, act: Act, *, location_id: UUID, code: str) -> Till:
    """A new till, active; raises LocationNotFound, LocationClosed, MalformedCode, TillCodeTaken."""
    if get(session, location_id).status == "closed":
        raise LocationClosed("the location is closed")
    made = Till(ids.new(), location_id, _code(code), "active", act.now)
    done = session.execute(
        text("""
            INSERT INTO partners.till (till_id, location_id, code, status, created_at)
            VALUES (:till_id, :location_id, :code, :status, :created_at) ON CONFLICT (location_id, code) DO NOTHING
        """),
        vars(made),
    )
    if done.rowcount == 0:
        raise TillCodeTaken(f"there is already a till {code}")
    audit.append(session, act, "till.added", made, location=ids.show(ids.LOCATION, location_id))
    return made


def set_till(
    session: Session, act: Act, *, till_id: UUID, status: str, expected_version: ExpectedVersion = None
) -> Till:
    """Block a till, let it work again, or retire it for good; raises TillNotFound, TillRetired, Stale."""
    row = session.execute(text(f"{_TILL} WHERE till_id = :till_id FOR NO KEY UPDATE"), {"till_id": till_id}).first()
    if row is None:
        raise TillNotFound("there is no such till")
    check(row.version, expected_version)
    if row.status == "retired" and status != "retired":
        raise TillRetired("the till is retired; add a new one")
    session.execute(
        text("UPDATE partners.till SET status = :status WHERE till_id = :till_id"),
        {"till_id": till_id, "status": status},
    )
    found = till(session, till_id)
    audit.append(session, act, "till.changed", found, status=status)
    return found


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
        raise LocationCodeTaken(f"there is already a location {code}")


def _code(code: str) -> str:
    if not _CODE.fullmatch(code):
        raise MalformedCode("a code has 1 to 32 letters, digits and hyphens")
    return code
