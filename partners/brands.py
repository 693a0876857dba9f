"""What a partner trades as: the names members see."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from kit import audit, ids
from kit.audit import Act
from kit.db import Session
from kit.errors import Conflict, NotFound
from kit.expected_version import AS_EXPECTED, ExpectedVersion, changed
from partners import accounts, texts


class BrandNotFound(NotFound):
    code = "brand_not_found"
    title = "Brand not found"
    description = "No brand has this id, or it has ended."
    remedy = (
        "List the partner's brands with GET /v1/admin/partners/{partner_id}/brands or `coalition partner brand list`, "
        "and use an id from there."
    )


class BrandTaken(Conflict):
    code = "brand_taken"
    title = "Brand taken"
    description = "Another brand of the coalition has this name."
    remedy = "Choose another name, or end the other brand first if it is no longer in use."


@dataclass(frozen=True)
class Brand:
    """A name a partner trades under, unique in the coalition until it is ended."""

    brand_id: UUID
    partner_id: UUID
    name: str
    created_at: datetime
    ended_at: datetime | None
    version: int = 1


_SELECT = "SELECT brand_id, partner_id, name, created_at, ended_at, version FROM partners.brand"


def shown_names(session: Session, partner_ids: Iterable[UUID]) -> dict[UUID, str]:
    """What members know these partners by: the brand's name, or the partner's own where it has none or several."""
    rows = session.execute(
        text("""
            SELECT p.partner_id, CASE WHEN count(b.brand_id) = 1 THEN min(b.name) ELSE p.name END
            FROM partners.partner p LEFT JOIN partners.brand b ON b.partner_id = p.partner_id AND b.ended_at IS NULL
            WHERE p.partner_id = ANY(:ids) GROUP BY p.partner_id
        """),
        {"ids": list(set(partner_ids))},
    )
    return {row[0]: row[1] for row in rows}


def add(session: Session, act: Act, *, partner_id: UUID, name: str) -> Brand:
    """A new brand; raises PartnerNotFound, PartnerGone, MalformedText, BrandTaken."""
    accounts.present(session, partner_id)
    brand = Brand(ids.new(), partner_id, texts.text(name, what="name"), act.now, None)
    done = session.execute(
        text("""
            INSERT INTO partners.brand (brand_id, partner_id, name, created_at)
            VALUES (:brand_id, :partner_id, :name, :created_at)
            ON CONFLICT (lower(name)) WHERE ended_at IS NULL DO NOTHING
        """),
        vars(brand),
    )
    if done.rowcount == 0:
        raise BrandTaken(f"there is already a brand {brand.name}")
    audit.append(session, act, "brand.added", brand)
    return brand


def change(session: Session, act: Act, *, brand_id: UUID, name: str, expected_version: ExpectedVersion = None) -> Brand:
    """Give a brand that is not ended another name. Raises BrandNotFound, BrandTaken, MalformedText, Stale."""
    wanted = texts.text(name, what="name")
    taken = session.scalar(
        text(
            "SELECT true FROM partners.brand WHERE lower(name) = lower(:name) AND ended_at IS NULL AND brand_id <> :id"
        ),
        {"name": wanted, "id": brand_id},
    )
    if taken:
        raise BrandTaken(f"there is already a brand {wanted}")
    done = session.execute(
        text(f"""
            UPDATE partners.brand SET name = :name
            WHERE brand_id = :brand_id AND ended_at IS NULL AND {AS_EXPECTED}
        """),  # noqa: S608
        {"name": wanted, "brand_id": brand_id, "expected_version": expected_version},
    )
    found = get(session, brand_id)
    if done.rowcount == 0:
        if found.ended_at is None:
            raise changed()
        raise BrandNotFound("the brand was ended")
    audit.append(session, act, "brand.corrected", found, fields=["name"])
    return found


def end(session: Session, act: Act, *, brand_id: UUID) -> Brand:
    """End a brand, so that its name is free; raises BrandNotFound."""
    done = session.execute(
        text("UPDATE partners.brand SET ended_at = :now WHERE brand_id = :brand_id AND ended_at IS NULL"),
        {"brand_id": brand_id, "now": act.now},
    )
    if done.rowcount == 0:
        raise BrandNotFound("there is no such brand")
    ended = get(session, brand_id)
    audit.append(session, act, "brand.ended", ended)
    return ended


def get(session: Session, brand_id: UUID) -> Brand:
    """One brand, also one that was ended; raises BrandNotFound."""
    row = session.execute(text(f"{_SELECT} WHERE brand_id = :brand_id"), {"brand_id": brand_id}).first()
    if row is None:
        raise BrandNotFound("there is no such brand")
    return Brand(*row)


def of_partner(session: Session, *, partner_id: UUID, after: UUID, limit: int) -> list[Brand]:
    """A partner's brands behind `after`, oldest first, ended ones included."""
    rows = session.execute(
        text(f"{_SELECT} WHERE partner_id = :partner_id AND brand_id > :after ORDER BY brand_id LIMIT :limit"),
        {"partner_id": partner_id, "after": after, "limit": limit},
    )
    return [Brand(*row) for row in rows]
